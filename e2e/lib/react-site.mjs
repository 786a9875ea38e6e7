// A site whose page is a small React application, bundled when the tests begin.
import { buildSync } from 'esbuild';
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';

const at = (path) => new URL(`../../${path}`, import.meta.url).pathname;
for (const name of ['browser', 'react']) {
  if (!existsSync(at(`packages/${name}/dist/index.js`))) throw new Error(`packages/${name} is not built: npm run build --workspace @tenure/${name}`);
}
const styles = readFileSync(at('packages/react/dist/styles.css'), 'utf8');

function bundle(name) {
  const { outputFiles } = buildSync({
    entryPoints: [at(`e2e/pages/${name}`)], bundle: true, format: 'iife', jsx: 'automatic', write: false,
    define: { 'process.env.NODE_ENV': '"development"' }, logLevel: 'error',
  });
  return outputFiles[0].contents;
}

// What is in `settings` is `window.settings` there; each of its paths shows the same page.
export function reactSite(name, settings) {
  const script = bundle(name);
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url, 'http://site');
      if (pathname === '/app.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
      else if (pathname === '/styles.css') response.writeHead(200, { 'content-type': 'text/css' }).end(styles);
      else if (pathname === '/plain') response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Plain</title><p>plain</p>');
      else {
        response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': "style-src 'self'; script-src 'self' 'unsafe-eval'; worker-src blob:" });
        response.end(`<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/styles.css"><body><div id="root" data-settings='${JSON.stringify(settings)}'></div><script src="/app.js"></script>`);
      }
    }).listen(0, '127.0.0.1', () => {
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      resolve({ origin: `http://localhost:${server.address().port}`, settings, close });
    });
  });
}
