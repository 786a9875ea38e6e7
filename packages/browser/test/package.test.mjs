// The package as it would be published: what other tools say of it, and what is in it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const root = new URL('../', import.meta.url).pathname;
const bin = new URL('../../../node_modules/.bin/', import.meta.url).pathname;
const run = (command, args) => execFileSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, npm_config_offline: 'true' } });

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
  const said = run(`${bin}attw`, [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji', '--format', 'ascii']);
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  assert.equal(said.match(/node16 \(from ESM\): OK/g).length, Object.keys(exports).length);
});

test('the package has what it needs, and no tests', () => {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).split('\n').map((name) => name.replace('package/', ''));
  for (const name of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/worker.js', 'dist/monitor.js', 'dist/monitor-script.d.ts', 'dist/page.js', 'dist/page.d.ts', 'dist/dialog.js', 'dist/dialog/index.d.ts', 'dist/dpop.js', 'src/index.ts']) {
    assert.ok(files.includes(name), name);
  }
  assert.deepEqual(files.filter((name) => /test|\.build/.test(name)), []);
});
