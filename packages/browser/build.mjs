// Builds what is published (`dist`) and, beside it, the single modules that the unit tests look into (`.build`).
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const at = (...parts) => join(here, ...parts);
for (const folder of ['dist', '.build']) rmSync(at(folder), { recursive: true, force: true });

const target = ['es2022'];
const common = { bundle: true, format: 'esm', target, minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning' };

// The worker is a script of its own, and also a text inside the package, so that nobody has to serve it.
const worker = await build({ ...common, entryPoints: [at('src/worker.ts')], format: 'iife', sourcemap: false, write: false });
const define = { WORKER_SOURCE: JSON.stringify(worker.outputFiles[0].text.trim()) };
await build({ ...common, entryPoints: [at('src/worker.ts')], format: 'iife', outfile: at('dist/worker.js') });
await build({ ...common, entryPoints: [at('src/index.ts')], outfile: at('dist/index.js'), external: ['oauth4webapi'], define });

const modules = readdirSync(at('src'), { recursive: true }).filter((name) => name.endsWith('.ts'));
await build({
  entryPoints: modules.map((name) => at('src', name)),
  outdir: at('.build'),
  outbase: at('src'),
  target,
  format: 'esm',
  define,
  logLevel: 'warning',
  // Single modules import each other by the names that they have as sources.
  plugins: [],
});
for (const name of modules) {
  const file = at('.build', name.replace(/\.ts$/, '.js'));
  const { readFileSync, writeFileSync } = await import('node:fs');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/(from ")(\.[^"]*)\.ts"/g, '$1$2.js"'));
}

const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
execFileSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', at('tsconfig.json')], { stdio: 'inherit' });
