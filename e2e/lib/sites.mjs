// Two sites on ports of their own that load Auth0's SPA SDK, and Chromium to visit them.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const sdk = readFileSync(new URL('../../node_modules/@auth0/auth0-spa-js/dist/auth0-spa-js.production.js', import.meta.url));
const page = readFileSync(new URL('../pages/spa.html', import.meta.url));

export function site() {
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const script = request.url.startsWith('/spa-js.js');
      response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' });
      response.end(script ? sdk : page);
    }).listen(0, '127.0.0.1', () => resolve({ origin: `http://localhost:${server.address().port}`, close: () => server.close() }));
  });
}

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
