// A real server with a database of its own, and a client that fills in its pages.
import { execFile, execFileSync } from 'node:child_process';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { start } from './children.mjs';

const binary = process.env.TENURE_BINARY ?? new URL('../../target/debug/tenure', import.meta.url).pathname;

// A command that takes longer hangs.
const atMost = { encoding: 'utf8', timeout: 60_000 };

export const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

export class Server {
  static async start(tenant, { manualClock = true, tls } = {}) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), 'tenure-e2e-'));
    server.port = await freePort();
    server.base = `${tls ? 'https' : 'http'}://localhost:${server.port}`;
    server.tls = tls;
    server.issuer = `${server.base}/`;
    server.database = `sqlite:${join(server.folder, 'e2e.db')}`;
    server.manualClock = manualClock;
    server.apply(tenant);
    await server.run();
    return server;
  }

  apply(tenant) {
    const file = join(this.folder, 'tenant.yaml');
    writeFileSync(file, tenant, { mode: 0o600 });
    return execFileSync(binary, ['apply', file, '--database', this.database], atMost);
  }

  command(...args) {
    return execFileSync(binary, [...args, '--database', this.database], atMost);
  }

  // While it runs, this process can answer it.
  async commandAsync(...args) {
    return (await promisify(execFile)(binary, [...args, '--database', this.database], { encoding: 'utf8' })).stdout;
  }

  // One session, as `tenure session show` has it.
  async show(sid) {
    return JSON.parse(await this.commandAsync('session', 'show', sid, '--json'));
  }

  async run() {
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--base-url', this.base, '--database', this.database];
    if (this.manualClock) args.push('--manual-clock');
    if (this.tls) args.push('--tls-certificate', this.tls.cert, '--tls-key', this.tls.key);
    this.child = start(binary, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, RUST_LOG: 'error' } });
    for (let tries = 0; tries < 400; tries += 1) {
      try {
        if (await this.isReady()) return;
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error('the server did not become ready');
  }

  async isReady() {
    const url = `${this.base}/readyz`;
    if (!this.tls) return (await fetch(url)).ok;
    // Our own trust is fixed since we started; this one request brings its own.
    const ca = readFileSync(this.tls.cert);
    return new Promise((resolve, reject) => {
      get(url, { ca }, (answer) => resolve(answer.resume().statusCode === 200)).on('error', reject);
    });
  }

  async kill(signal = 'SIGKILL') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await ended;
  }

  async stop() {
    await this.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async advance(seconds) {
    const answer = await fetch(`${this.base}/dev/clock`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ advance_seconds: seconds }),
    });
    return (await answer.json()).now;
  }
}

// A browser without script: cookies, forms, redirects within the server.
export class Person {
  constructor(server) {
    this.server = server;
    this.cookies = new Map();
  }

  async request(url, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(new URL(url, this.server.base), {
      redirect: 'manual', ...options, headers: { ...options.headers, cookie, 'user-agent': 'e2e' },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      if (line.includes('Max-Age=0')) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  // Follows an authorization URL, signing in when asked, to the application's redirect.
  async authorize(url, username = 'ada@example.com', password = 'correct horse') {
    let answer = await this.request(url);
    if (answer.status === 200) {
      const html = await answer.text();
      const action = html.match(/action="(\/login[^"]*)"/)[1].replaceAll('&amp;', '&');
      const csrf = html.match(/name="csrf" value="([^"]*)"/)[1];
      answer = await this.request(action, { method: 'POST', body: new URLSearchParams({ csrf, username, password, action: 'login' }) });
    }
    const location = answer.headers.get('location');
    if (!location) throw new Error(`no redirect: ${answer.status} ${await answer.text()}`);
    return new URL(location);
  }
}
