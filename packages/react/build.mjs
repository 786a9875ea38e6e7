// Builds what is published: one module, its declarations, and the style sheet.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const at = (...parts) => join(here, ...parts);
rmSync(at('dist'), { recursive: true, force: true });

const common = { bundle: true, minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning', outdir: at('dist') };
await build({
  ...common,
  entryPoints: [at('src/index.ts')],
  format: 'esm',
  target: ['es2022'],
  jsx: 'automatic',
  external: ['react', 'react/jsx-runtime', '@tenure/browser', '@tenure/browser/dialog', '@tenure/browser/page'],
  // Frameworks that render on a server must know that this runs in browsers.
  banner: { js: '"use client";' },
});
await build({ ...common, entryPoints: [at('src/styles.css')], sourcemap: false });

const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
execFileSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', at('tsconfig.json')], { stdio: 'inherit' });
// Type checkers want to know of a style sheet that is imported.
writeFileSync(at('dist/styles.d.ts'), 'export {};\n');
