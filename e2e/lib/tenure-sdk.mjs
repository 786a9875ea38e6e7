// Sites that load the built @tenure/browser, and people who visit them.
import { buildSync } from 'esbuild';
import { createServer } from 'node:http';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { leftInTime } from './sites.mjs';

const entry = new URL('../../packages/browser/dist/index.js', import.meta.url).pathname;
if (!existsSync(entry)) throw new Error('packages/browser is not built: npm run build --workspace @tenure/browser');
const sdk = buildSync({ entryPoints: [entry], bundle: true, format: 'iife', globalName: 'tenure', write: false }).outputFiles[0].contents;
// Auth0's SDK, for pages that use both.
const theirs = readFileSync(new URL('../../node_modules/@auth0/auth0-spa-js/dist/auth0-spa-js.production.js', import.meta.url));
const worker = readFileSync(new URL('../../packages/browser/dist/worker.js', import.meta.url));
const scripts = new Map([['/tenure.js', sdk], ['/worker.js', worker], ['/spa-js.js', theirs]]);

const page = `<!doctype html><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,">
<script src="/tenure.js"></script><script src="/spa-js.js"></script><button id="popup">popup</button><p id="here">here</p>`;

// `headers` of every page, a content security policy for example.
export function sdkSite({ host = 'localhost', headers = {} } = {}) {
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const script = scripts.get(request.url);
      response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html', ...headers });
      response.end(script ?? page);
    });
    listen(server, host, resolve);
  });
}

// A page that is nothing but one script, as a bundler makes it of what was pasted.
export const bundled = (contents) =>
  buildSync({ stdin: { contents, resolveDir: new URL('..', import.meta.url).pathname }, bundle: true, format: 'esm', write: false }).outputFiles[0].text;

export function pastedSite(script) {
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const asked = request.url === '/main.js';
      response.writeHead(200, { 'content-type': asked ? 'text/javascript' : 'text/html' });
      response.end(asked ? script.text : '<!doctype html><title>Shop</title><link rel="icon" href="data:,"><body><script type="module" src="/main.js"></script>');
    });
    listen(server, 'localhost', resolve);
  });
}

function listen(server, host, ready) {
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  server.listen(0, '127.0.0.1', () => ready({ origin: `http://${host}:${server.address().port}`, close }));
}

// A browser with a profile of its own that keeps cookies from frames of other sites.
export async function withoutThirdPartyCookies(use) {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-profile-'));
  mkdirSync(join(folder, 'Default'));
  const preferences = { profile: { cookie_controls_mode: 1, block_third_party_cookies: true } };
  writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify(preferences));
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run'];
  const context = leftInTime(await chromium.launchPersistentContext(folder, { executablePath, args }));
  try {
    await use(context);
  } finally {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const client = (id, { origin }, more = '') => `
  - client_id: ${id}
    name: ${id}
    app_type: spa
    callbacks: ["${origin}", "${origin}/callback"]
    web_origins: ["${origin}"]
    allowed_logout_urls: ["${origin}", "${origin}/bye"]
    refresh_token: {rotation_type: rotating, expiration_type: expiring, token_lifetime: 86400, idle_token_lifetime: 7200}
${more}`;

export const ada = `
users:
  - {email: ada@example.com, name: Ada, email_verified: true, password: correct horse}
  - {email: bob@example.com, name: Bob, email_verified: true, password: correct horse}
`;

// A tab whose client is ready as `window.client`; what goes wrong in the page is in `problems`.
export class Visitor {
  static async come(browser, server, place, clientId, options = {}, context = undefined) {
    const visitor = new Visitor();
    Object.assign(visitor, { server, place, clientId, options });
    visitor.context = context ?? (await browser.newContext());
    visitor.page = await visitor.context.newPage();
    visitor.problems = [];
    visitor.page.on('pageerror', (error) => visitor.problems.push(error.message));
    visitor.requests = [];
    visitor.page.on('request', (request) => visitor.requests.push(`${request.method()} ${new URL(request.url()).pathname}`));
    await visitor.page.goto(place.origin);
    await visitor.ready();
    return visitor;
  }

  ready() {
    return this.page.evaluate(
      ([issuer, clientId, options]) => {
        window.client = window.tenure.createTenureClient({ issuer, clientId, ...options });
        window.heard = [];
        for (const name of ['warning', 'extended', 'ended']) window.client.monitor.on(name, (state) => window.heard.push({ name, ...state }));
      },
      [this.server.issuer, this.clientId, this.options],
    );
  }

  // Runs in the page; an error comes back as a value.
  run(script, argument) {
    return this.page.evaluate(
      async ([text, value]) => {
        const began = performance.now();
        try {
          return { value: await new Function('value', `return (${text})(value)`)(value) };
        } catch (error) {
          const { code, message, appState, reason } = error;
          return { error: { code, message, appState, reason }, took: performance.now() - began };
        }
      },
      [script.toString(), argument],
    );
  }

  async value(script, argument) {
    const { value, error } = await this.run(script, argument);
    if (error) throw new Error(`${error.code}: ${error.message}`);
    return value;
  }

  async signIn(options = {}) {
    await this.page.evaluate((asked) => void window.client.loginWithRedirect(asked), options);
    await this.page.waitForURL(/\/authorize\?/);
    await fillIn(this.page);
    await this.page.waitForURL((url) => url.origin === this.place.origin && url.searchParams.has('code'));
    await this.ready();
    return this.value(() => window.client.handleRedirectCallback());
  }

  status(status) {
    return this.page.waitForFunction((wanted) => window.client.monitor.state.status === wanted, status);
  }

  heard(name) {
    return this.page.waitForFunction((wanted) => window.heard.find((one) => one.name === wanted), name).then((found) => found.jsonValue());
  }
}

export async function fillIn(page, user = 'ada@example.com') {
  await page.getByLabel('E-mail address or user name').fill(user);
  await page.getByLabel('Password').fill('correct horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
}
