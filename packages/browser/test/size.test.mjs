// The promise of the README: under 12 kB, compressed, without the one dependency.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url));

const imports = (path) => [...read(path).toString().matchAll(/\bfrom"([^"]+)"/g)].map(([, name]) => name);

test('what a page loads stays below 12,000 bytes, the worker included; DPoP is a part of its own', () => {
  const loaded = ['dist/index.js', ...imports('dist/index.js').filter((name) => name.startsWith('./')).map((name) => `dist/${name}`)];
  assert.ok(!loaded.some((name) => name.includes('dpop')), loaded.join());
  const size = loaded.reduce((sum, name) => sum + gzipSync(read(name), { level: 9 }).length, 0);
  assert.ok(size < 12_000, `${size} bytes in ${loaded.join()}`);
});

test('the monitor alone is less than half of that, and imports nothing', () => {
  assert.deepEqual(imports('dist/monitor.js'), []);
  const size = gzipSync(read('dist/monitor.js'), { level: 9 }).length;
  assert.ok(size < 6_000, `${size} bytes`);
});

test('what a page knows of the sign-in is a small part of its own, and imports nothing', () => {
  assert.deepEqual(imports('dist/page.js'), []);
  const size = gzipSync(read('dist/page.js'), { level: 9 }).length;
  assert.ok(size < 1_500, `${size} bytes`);
});

test('the dialog, with its words in two languages, is a part of its own, and imports nothing', () => {
  assert.deepEqual(imports('dist/dialog.js'), []);
  const size = gzipSync(read('dist/dialog.js'), { level: 9 }).length;
  assert.ok(size < 3_000, `${size} bytes`);
});

test('oauth4webapi is the only dependency', () => {
  const { dependencies, peerDependencies } = JSON.parse(read('package.json'));
  assert.deepEqual(Object.keys(dependencies), ['oauth4webapi']);
  assert.equal(peerDependencies, undefined);
  const foreign = ['dist/index.js', 'dist/dpop.js'].flatMap(imports).filter((name) => !name.startsWith('.'));
  assert.deepEqual([...new Set(foreign)], ['oauth4webapi']);
});
