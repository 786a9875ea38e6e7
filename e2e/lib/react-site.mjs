// A site whose page is a small React application, bundled when the tests begin, and people who use it.
import { buildSync } from 'esbuild';
import { createServer } from 'node:http';
import { existsSync } from 'node:fs';
import { Server } from './server.mjs';
import { launch } from './sites.mjs';
import { ada, client, fillIn } from './tenure-sdk.mjs';

const at = (path) => new URL(`../../${path}`, import.meta.url).pathname;
for (const name of ['browser', 'react']) {
  if (!existsSync(at(`packages/${name}/dist/index.js`))) throw new Error(`packages/${name} is not built: npm run build --workspace @tenure/${name}`);
}
// No inline styles or scripts: what the packages render must get along with that.
const policy = "script-src 'self'; style-src 'self'; worker-src blob:; object-src 'none'; base-uri 'none'";

// The script and the style sheet of a page: a file of `e2e/pages`, or source text.
function bundle(source, alias) {
  const folder = at('e2e/pages');
  const entry = source.includes('\n') ? { stdin: { contents: source, loader: 'jsx', resolveDir: folder } } : { entryPoints: [`${folder}/${source}`] };
  const { outputFiles } = buildSync({
    ...entry, bundle: true, format: 'iife', jsx: 'automatic', write: false, outdir: folder, alias,
    define: { 'process.env.NODE_ENV': '"development"' }, logLevel: 'error',
  });
  return ['.js', '.css'].map((ending) => outputFiles.find(({ path }) => path.endsWith(ending)).contents);
}

// Every path shows the same page, but `/plain`. What it shows may depend on the server, which is there later.
export function reactSite(source, { alias, settings = {} } = {}) {
  const files = { '/plain': ['text/html', '<!doctype html><title>Plain</title>'] };
  const page = () => `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A shop</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/styles.css">
<body><div id="root" data-settings='${JSON.stringify(settings)}'></div><script src="/app.js"></script>`;
  const knows = (server) => {
    settings.issuer = server.issuer;
    const [script, styles] = bundle(source.replace('http://localhost:7100/', server.issuer), alias);
    Object.assign(files, { '/app.js': ['text/javascript', script], '/styles.css': ['text/css', styles] });
  };
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const [type, body] = files[new URL(request.url, 'http://site').pathname] ?? ['text/html', page()];
      response.writeHead(200, { 'content-type': type, 'content-security-policy': policy }).end(body);
    }).listen(0, '127.0.0.1', () => {
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      resolve({ origin: `http://localhost:${server.address().port}`, knows, close });
    });
  });
}

// A server with the profile short-lived, a site, and Chromium.
export class ReactSession {
  static async start(source, { alias = {}, browser } = {}) {
    const session = await ReactSession.serve(source, { alias });
    session.browser = await launch(browser);
    return session;
  }

  // For a browser of another kind.
  static async serve(source, { alias = {} } = {}) {
    const session = new ReactSession();
    session.site = await reactSite(source, { alias });
    session.server = await Server.start(session.tenant());
    session.site.knows(session.server);
    return session;
  }

  async stop() {
    await this.browser?.close();
    await this.server?.stop();
    this.site?.close();
  }

  tenant({ absolute = 480 } = {}) {
    return `
tenant: {profile: short-lived, session_lifetime_in_minutes: ${absolute}}
clients:${client('shop', this.site, '    profile: short-lived')}${client('club', this.site, '    is_first_party: false')}
${ada}`;
  }

  // Comes to a page of the site. The page's clock can be moved.
  async visit(path, { context } = {}) {
    context ??= await this.browser.newContext();
    const page = await context.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    const visitor = { context, page, problems, rendered: 0 };
    // Called by what only somebody who is signed in may see.
    await page.exposeFunction('privateRendered', () => {
      visitor.rendered += 1;
    });
    await page.clock.install();
    await page.goto(`${this.site.origin}${path}`);
    return visitor;
  }

  // As somebody whom the page sends to the login page.
  async signedIn(path, options) {
    const visitor = await this.visit(path, options);
    await visitor.page.waitForURL(/\/authorize\?/);
    await fillIn(visitor.page);
    await who(visitor.page, 'Ada');
    await status(visitor.page, 'active');
    return visitor;
  }

  // Time goes by: at the server, and in the page.
  async pass(page, seconds) {
    await this.server.advance(seconds);
    await page.clock.fastForward(seconds * 1000);
  }
}

// By how many seconds the end of the session moved while `deed` was done, as the page tells it. Both clocks run on
// meanwhile, so this is what can be said exactly on a slow machine: at least the time since the last activity.
export async function movedBy(page, deed) {
  const endsAt = () => page.evaluate(() => window.client.monitor.state.endsAt);
  const before = await endsAt();
  await deed();
  return ((await endsAt()) - before) / 1000;
}

// No `waitForFunction`: the page's policy forbids `eval`.
const shows = (page, id, text) => page.locator(`#${id}`, { hasText: new RegExp(`^${text}$`) }).waitFor({ state: 'attached' });
export const who = (page, name) => shows(page, 'who', name);
export const status = (page, wanted) => shows(page, 'status', wanted);
