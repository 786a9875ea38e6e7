// Builds what is published (`dist`) and, beside it, the single modules that the unit tests look into (`.build`).
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const at = (...parts) => join(here, ...parts);
for (const folder of ['dist', '.build']) rmSync(at(folder), { recursive: true, force: true });

const target = ['es2022'];
const common = { bundle: true, format: 'esm', target, minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning' };

await build({ ...common, entryPoints: [at('src/worker-script.ts')], format: 'iife', outfile: at('dist/worker.js') });
await build({ ...common, entryPoints: [at('src/monitor-script.ts')], outfile: at('dist/monitor.js') });
await build({ ...common, entryPoints: [at('src/dialog/index.ts')], outfile: at('dist/dialog.js') });
await build({ ...common, entryPoints: [at('src/page.ts')], outfile: at('dist/page.js') });
await build({ ...common, entryPoints: [at('src/index.ts')], outdir: at('dist'), splitting: true, chunkNames: '[name]', external: ['oauth4webapi'] });

const modules = readdirSync(at('src'), { recursive: true }).filter((name) => name.endsWith('.ts'));
await build({
  entryPoints: modules.map((name) => at('src', name)),
  outdir: at('.build'),
  outbase: at('src'),
  target,
  format: 'esm',
  logLevel: 'warning',
});
// Single modules import each other by the names that they have as sources.
for (const name of modules) {
  const file = at('.build', name.replace(/\.ts$/, '.js'));
  writeFileSync(file, readFileSync(file, 'utf8').replace(/((?:from |import\()")(\.[^"]*)\.ts"/g, '$1$2.js"'));
}

const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
execFileSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', at('tsconfig.json')], { stdio: 'inherit' });
