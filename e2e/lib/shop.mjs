// The example shop in front of a server, both with clocks that tests move.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { freePort, Server } from './server.mjs';

const root = new URL('../../', import.meta.url).pathname;
const binary = process.env.SHOP_BINARY ?? `${root}target/debug/axum-shop`;
const monitor = `${root}packages/browser/dist/monitor.js`;
const names = ['local-logout', 'idp-logout', 'refresh-tokens', 'inactivity'];

export class Shop {
  static async start() {
    const shop = new Shop();
    const ports = [];
    for (const _ of names) ports.push(await freePort());
    let tenant = readFileSync(`${root}examples/axum-shop/tenant.yaml`, 'utf8');
    ports.forEach((port, n) => { tenant = tenant.replaceAll(`localhost:310${n + 1}`, `localhost:${port}`); });
    // Ada has a password here; the file leaves that to its reader.
    tenant = tenant.replace('    name: Ada Lovelace\n', '    name: Ada Lovelace\n    password: correct horse\n');
    shop.server = await Server.start(tenant);
    shop.urls = Object.fromEntries(names.map((name, n) => [name, `http://localhost:${ports[n]}`]));
    shop.child = spawn(binary, ['--issuer', shop.server.issuer, '--ports', ports.join(','), '--monitor', monitor, '--manual-clock'], { stdio: ['ignore', 'pipe', 'inherit'] });
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
    await this.server.stop();
  }
}
