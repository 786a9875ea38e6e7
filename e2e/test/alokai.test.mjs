// The guide's middleware.config.js, read from the guide itself, in Alokai's own middleware. The Auth0 module that it
// configures is not published; its place is taken by express-openid-connect, to which it hands that configuration on.
import { createServer as commerce } from 'node:http';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createServer } from '@vue-storefront/middleware';
import { keepFresh } from '../../examples/express-shop/shop.mjs';
import { freePort, Person, Server } from '../lib/server.mjs';

// In the middleware's world, which has an Express of its own.
const { auth } = createRequire(import.meta.url)('express-openid-connect');
const location = fileURLToPath(new URL('../programs/storefront-api.cjs', import.meta.url));
const machineTime = Date.now;
let server, site, base, shop, ahead = 0;
// What commercetools was asked with.
const asked = [];

function guide() {
  const text = readFileSync(new URL('../../docs/application-session.md', import.meta.url), 'utf8');
  const [, code] = text.match(/```js\n(\/\/ middleware\.config\.js\n[^]*?)```/);
  const module = {};
  new Function('module', code)(module);
  return module.exports;
}

const listening = (server, port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));

before(async () => {
  const [port, commercePort] = [await freePort(), await freePort()];
  base = `http://localhost:${port}`;
  const tenant = readFileSync(new URL('../../examples/axum-shop/tenant.yaml', import.meta.url), 'utf8');
  server = await Server.start(tenant.replaceAll('localhost:3104', `localhost:${port}`).replace('    name: Ada Lovelace\n', '    name: Ada Lovelace\n    password: correct horse\n'));
  shop = commerce((request, response) => {
    asked.push(request.headers.authorization);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ path: request.url }));
  });
  await listening(shop, commercePort);
  const config = guide();
  const { auth0 } = config.integrations;
  // Who this shop is, which the guide leaves to its reader; the settings of the session are the guide's.
  Object.assign(auth0.configuration.oidc, {
    issuerBaseURL: server.issuer, baseURL: base, clientID: 'inactivity', clientSecret: 'inactivity-secret',
    secret: 'a secret of more than thirty-two characters', authRequired: false,
  });
  const module = {
    name: 'auth0',
    extendApp: ({ app, configuration }) => { app.use(auth(configuration.oidc)); app.use(keepFresh()); },
  };
  Object.assign(auth0, { location, extensions: (extensions) => [...extensions, module] });
  config.integrations.commercetools = { location, configuration: { api: { uri: `http://localhost:${commercePort}` } } };
  config.logger = { verbosity: 'error' };
  site = await createServer(config);
  await listening(site, port);
  Date.now = () => machineTime() + ahead * 1000;
});
after(async () => {
  Date.now = machineTime;
  for (const one of [site, shop]) {
    one?.close();
    one?.closeAllConnections();
  }
  await server?.stop();
});

async function advance(seconds) {
  ahead += seconds;
  await server.advance(seconds);
}

class Customer {
  person = new Person(server);
  cookies = new Map();

  async request(path) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(new URL(path, base), { redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
  async signIn() {
    const away = (await this.request('/login')).headers.get('location');
    await this.request(await this.person.authorize(away));
  }
  me = () => this.request('/commercetools/getMe');
}

const claims = (authorization) => JSON.parse(Buffer.from(authorization.split('.')[1], 'base64url'));

test("seed 3: the guide's configuration in a storefront's middleware: renewed while busy, signed out after a minute", async () => {
  const ada = new Customer();
  assert.equal((await ada.me()).status, 401);
  await ada.signIn();
  const answer = await ada.me();
  assert.deepEqual(await answer.json(), { path: '/me' });
  const first = asked.at(-1);
  assert.match(claims(first).sub, /^auth0\|/);
  assert.ok([claims(first).aud].flat().includes('https://api.acme.example'));
  // The access token lasts a minute. Whoever shops goes on with new ones.
  for (let n = 0; n < 3; n += 1) {
    await advance(50);
    assert.equal((await ada.me()).status, 200);
    assert.ok(claims(asked.at(-1)).exp * 1000 > Date.now(), 'commercetools never sees an expired token');
  }
  assert.notEqual(asked.at(-1), first);
  const before = asked.length;
  await advance(61);
  assert.equal((await ada.me()).status, 401);
  assert.equal(asked.length, before, 'nobody asks for somebody who is gone');
});

test('seed 3: without idpLogout the provider goes on: nobody asks for the password', async () => {
  const ada = new Customer();
  await ada.signIn();
  const out = await ada.request('/logout');
  assert.equal(new URL(out.headers.get('location'), base).href, `${base}/`);
  assert.equal((await ada.me()).status, 401);
  const again = (await ada.request('/login')).headers.get('location');
  assert.equal((await ada.person.request(again)).status, 302);
});
