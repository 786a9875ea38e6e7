// The package as it would be published: what other tools say of it, what is in it, and how large it is.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

const root = new URL('../', import.meta.url).pathname;
const bin = new URL('../../../node_modules/.bin/', import.meta.url).pathname;
const run = (command, args) => execFileSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, npm_config_offline: 'true' } });
const read = (path) => readFileSync(join(root, path));

let folder, tarball;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenure-pack-'));
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder]);
  tarball = join(folder, readdirSync(folder)[0]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('publint finds nothing', () => {
  assert.match(run(`${bin}publint`, ['run', tarball, '--strict']), /All good/);
});

test('the types resolve wherever ES modules are (attw)', () => {
  // It ends with a failure where a problem is found.
  assert.match(run(`${bin}attw`, [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji']), /node16 \(from ESM\) │ OK/);
});

test('the package has what it needs, and no tests', () => {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).split('\n').map((name) => name.replace('package/', ''));
  for (const name of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/styles.css', 'dist/styles.d.ts', 'src/index.ts']) {
    assert.ok(files.includes(name), name);
  }
  assert.deepEqual(files.filter((name) => /test/.test(name)), []);
});

test('it stays below 5,000 bytes, compressed, and brings no React of its own', () => {
  const script = read('dist/index.js');
  const size = gzipSync(script, { level: 9 }).length;
  assert.ok(size < 5_000, `${size} bytes`);
  const imports = [...script.toString().matchAll(/\bfrom"([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual([...new Set(imports)].sort(), ['@tenure/browser/dialog', '@tenure/browser/page', 'react', 'react/jsx-runtime']);
  assert.ok(script.toString().startsWith('"use client"'), 'frameworks that render on a server are told');
});

test('every text is there in every language', async () => {
  // React is not needed for words, but the module asks for it.
  const { english, german } = await import('../dist/index.js');
  const shape = (texts) => Object.entries(texts).map(([name, text]) => (typeof text === 'object' ? [name, Object.keys(text)] : name));
  assert.deepEqual(shape(german), shape(english));
  assert.ok(english.willEnd.includes('{time}') && german.willEnd.includes('{time}'));
});

test('the source is a binding that a person reads in one sitting: below 300 lines, none of them long', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true }).filter((name) => /\.tsx?$/.test(name));
  const lines = files.flatMap((name) => read(join('src', name)).toString().trimEnd().split('\n'));
  assert.ok(files.length > 0 && lines.length < 300, `${lines.length} lines in ${files.join(', ')}`);
  assert.deepEqual(lines.filter((line) => line.length > 110), []);
});
