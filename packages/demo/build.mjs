// Builds what `tenure demo` serves. The same sources give the same bytes: versions are exact, and nothing of this
// machine goes in. `node build.mjs FOLDER` builds elsewhere.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const out = resolve(process.argv[2] ?? join(here, '../../crates/tenure/assets/demo'));
mkdirSync(out, { recursive: true });

const common = { bundle: true, minify: true, target: ['es2022'], charset: 'utf8', legalComments: 'none', logLevel: 'warning', absWorkingDir: here };
const define = { 'process.env.NODE_ENV': '"production"' };
await build({ ...common, define, entryPoints: ['src/shop/main.tsx'], format: 'esm', jsx: 'automatic', outfile: join(out, 'shop.js') });
await build({ ...common, define, entryPoints: ['src/forum/main.ts'], format: 'esm', outfile: join(out, 'forum.js') });
await build({ ...common, entryPoints: ['src/site.css'], outfile: join(out, 'site.css') });
copyFileSync(join(here, 'src/page.html'), join(out, 'page.html'));

const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
execFileSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', join(here, 'tsconfig.json')], { stdio: 'inherit' });
