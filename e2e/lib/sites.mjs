// Sites on ports of their own that load an SDK as it is published, and Chromium to visit them.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const published = (file) => () => readFileSync(new URL(`../../node_modules/${file}`, import.meta.url));
const scripts = {
  'spa-js': published('@auth0/auth0-spa-js/dist/auth0-spa-js.production.js'),
  'oidc-client-ts': published('oidc-client-ts/dist/browser/oidc-client-ts.min.js'),
};

// Every address is the same page, and its one script. `sdk` names it; `script` is one that a test made.
export function site({ sdk = 'spa-js', script = scripts[sdk]() } = {}) {
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,">
<body><main id="root"></main><script src="/script.js"></script></body></html>`;
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const asked = request.url.startsWith('/script.js');
      response.writeHead(200, { 'content-type': asked ? 'text/javascript' : 'text/html' });
      response.end(asked ? script : page);
    }).listen(0, '127.0.0.1', () => resolve({ origin: `http://localhost:${server.address().port}`, close: () => server.close() }));
  });
}

export async function launch(options = {}) {
  const browser = await chromium.launch({
    ...options,
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (...settings) => leftInTime(await newContext(...settings));
  return browser;
}

// Sometimes Chromium never says that a context is gone (156, one in twenty, when a page of it is just going
// elsewhere), and Playwright waits for that without a limit. It is gone with the browser at the latest.
export function leftInTime(context) {
  const close = context.close.bind(context);
  context.close = async (...how) => {
    let timer;
    const patience = new Promise((resolve) => { timer = setTimeout(resolve, 5_000); });
    await Promise.race([close(...how), patience]).finally(() => clearTimeout(timer));
  };
  return context;
}
