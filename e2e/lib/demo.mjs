// `tenure demo` on five free ports, and people who play with it.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start } from './children.mjs';
import { freePort } from './server.mjs';

const binary = process.env.TENURE_BINARY ?? new URL('../../target/debug/tenure', import.meta.url).pathname;

const isFree = (port) =>
  new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

async function fivePorts() {
  for (;;) {
    const port = await freePort();
    const rest = await Promise.all([1, 2, 3, 4].map((offset) => isFree(port + offset)));
    if (port < 65_531 && rest.every(Boolean)) return port;
  }
}

export class Demo {
  static async start() {
    const demo = new Demo();
    demo.folder = mkdtempSync(join(tmpdir(), 'tenure-e2e-demo-'));
    demo.port = await fivePorts();
    [demo.server, demo.shop, demo.forum, demo.api] = [0, 1, 2, 3].map((offset) => `http://localhost:${demo.port + offset}`);
    const env = { ...process.env, RUST_LOG: 'error', TMPDIR: demo.folder };
    demo.child = start(binary, ['demo', '--port', `${demo.port}`, '--no-open'], { stdio: ['ignore', 'pipe', 'inherit'], env });
    demo.said = '';
    await new Promise((resolve, reject) => {
      demo.child.once('exit', (code) => reject(new Error(`tenure demo ended with ${code}`)));
      demo.child.stdout.on('data', (text) => {
        demo.said += text;
        if (demo.said.includes('Tenure serves')) resolve();
      });
    });
    demo.password = demo.said.match(/with the password +(\S+)/)[1];
    return demo;
  }

  /** How many files it left behind. */
  async stop() {
    this.child.removeAllListeners('exit');
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
    const left = readdirSync(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
    return left;
  }

  // A person with a browser of their own; the limits are those of the start.
  async visitor(browser) {
    const visitor = new Visitor();
    Object.assign(visitor, { demo: this, context: await browser.newContext({ viewport: { width: 1440, height: 1000 } }), problems: [] });
    const headers = { origin: this.shop, 'content-type': 'application/json' };
    await fetch(`${this.api}/demo/limits`, { method: 'POST', headers, body: JSON.stringify({ profile: 'start' }) });
    return visitor;
  }
}

class Visitor {
  async open(site) {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.problems.push(error.message));
    page.on('console', (message) => /Content Security Policy/.test(message.text()) && this.problems.push(message.text()));
    await page.goto(`${site}/`);
    return page;
  }

  async fillIn(page) {
    await page.getByLabel('E-mail address or user name').fill('ada@example.com');
    await page.getByLabel('Password').fill(this.demo.password);
  }

  async signIn(page) {
    await page.getByRole('button', { name: 'Sign in' }).click();
    await this.fillIn(page);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
  }

  // Both sites, signed in.
  async both() {
    const shop = await this.open(this.demo.shop);
    await this.signIn(shop);
    const forum = await this.open(this.demo.forum);
    await forum.getByRole('button', { name: 'Sign out' }).waitFor();
    await this.lane(shop, 'The Commons', 'Refresh tokens').waitFor();
    return [shop, forum];
  }

  layer(page, title) {
    return page.getByRole('region', { name: title, exact: title === 'Session' });
  }

  lane(page, title, name) {
    return this.layer(page, title).locator('.lane', { hasText: name });
  }

  async press(page, name) {
    await page.getByRole('button', { name, exact: true }).click();
  }

  // A line of "What happened".
  logged(page, text) {
    return page.getByRole('region', { name: 'What happened' }).getByRole('listitem').filter({ hasText: text }).first();
  }
}
