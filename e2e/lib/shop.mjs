// The example shop in front of a server, both with clocks that tests move.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:https';
import { start } from './children.mjs';
import { freePort, Server } from './server.mjs';

const root = new URL('../../', import.meta.url).pathname;
const binary = process.env.SHOP_BINARY ?? `${root}target/debug/axum-shop`;
const monitor = `${root}packages/browser/dist/monitor.js`;
const names = ['local-logout', 'idp-logout', 'refresh-tokens', 'inactivity'];

// TLS before a shop, as a proxy of any kind would do it.
async function proxy(tls, port) {
  const server = createServer({ key: readFileSync(tls.key), cert: readFileSync(tls.cert) }, (request, response) => {
    const { method, url: path, headers } = request;
    const inner = http.request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    inner.once('error', () => response.destroy());
    request.pipe(inner);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export class Shop {
  // With `tls`, browsers reach the shops over https, by proxies in this process.
  static async start({ tls } = {}) {
    const shop = new Shop();
    const ports = [];
    for (const _ of names) ports.push(await freePort());
    shop.proxies = tls ? await Promise.all(ports.map((port) => proxy(tls, port))) : [];
    const scheme = tls ? 'https' : 'http';
    const open = tls ? shop.proxies.map((one) => one.address().port) : ports;
    let tenant = readFileSync(`${root}examples/axum-shop/tenant.yaml`, 'utf8');
    open.forEach((port, n) => { tenant = tenant.replaceAll(`http://localhost:310${n + 1}`, `${scheme}://localhost:${port}`); });
    // Ada has a password here; the file leaves that to its reader.
    tenant = tenant.replace('    name: Ada Lovelace\n', '    name: Ada Lovelace\n    password: correct horse\n');
    shop.server = await Server.start(tenant);
    shop.urls = Object.fromEntries(names.map((name, n) => [name, `${scheme}://localhost:${open[n]}`]));
    const args = ['--issuer', shop.server.issuer, '--ports', ports.join(','), '--monitor', monitor, '--manual-clock'];
    if (tls) args.push('--https-ports', open.join(','));
    shop.child = start(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve, reject) => {
      let said = '';
      shop.child.stdout.on('data', (data) => {
        said += data;
        if (said.split('\n').length > names.length) resolve();
      });
      shop.child.once('exit', (code) => reject(new Error(`the shop ended with ${code}: ${said}`)));
    });
    return shop;
  }

  // The provider's clock and the shop's go together.
  async advance(seconds) {
    await this.server.advance(seconds);
    const answer = await fetch(`${this.urls.inactivity}/dev/clock`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ advance_seconds: seconds }),
    });
    if (!answer.ok) throw new Error(`the shop's clock did not move: ${answer.status}`);
  }

  async stop() {
    this.child.removeAllListeners('exit');
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
    for (const one of this.proxies) {
      one.close();
      one.closeAllConnections();
    }
    await this.server.stop();
  }
}
