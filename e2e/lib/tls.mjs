// A certificate for localhost, and programs that trust it: Node reads NODE_EXTRA_CA_CERTS only when it starts.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { watched } from './children.mjs';

export function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert,
  ], { stdio: 'ignore' });
  return { key, cert, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const options = (tls, settings) => ({ env: { ...process.env, NODE_EXTRA_CA_CERTS: tls.cert, SETTINGS: JSON.stringify({ ...settings, tls }) } });
const path = (program) => fileURLToPath(new URL(`../programs/${program}`, import.meta.url));

// Runs one of `programs/` to its end; what it prints, or its failure.
export async function run(program, tls, settings) {
  return (await promisify(execFile)(process.execPath, [path(program)], options(tls, settings))).stdout;
}

// Starts one that serves, and waits until it says so.
export function serve(program, tls, settings) {
  const child = watched(execFile(process.execPath, [path(program)], options(tls, settings)));
  child.stderr.pipe(process.stderr);
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
    child.stdout.once('data', () => resolve({ stop: () => child.kill() }));
  });
}
