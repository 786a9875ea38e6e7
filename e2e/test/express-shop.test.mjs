// The Express guide as it is written: express-openid-connect, a minute of inactivity, renewal, revocation.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { shop } from '../../examples/express-shop/shop.mjs';
import { freePort, Person, Server } from '../lib/server.mjs';

const machineTime = Date.now;
let server, site, base, ahead = 0;

before(async () => {
  const port = await freePort();
  base = `http://localhost:${port}`;
  server = await Server.start(`
tenant: {friendly_name: Acme, idle_session_lifetime_in_minutes: 1, session_lifetime_in_minutes: 1}
clients:
  - {client_id: inactivity, client_secret: inactivity-secret, name: Boots, callbacks: ["${base}/callback"], allowed_logout_urls: ["${base}"],
     session_expiry: "off",
     refresh_token: {rotation_type: rotating, expiration_type: expiring, idle_token_lifetime: 120, token_lifetime: 2592000}}
resourceServers:
  - {identifier: "https://api.acme.example", name: Orders, allow_offline_access: true, token_lifetime: 60, token_lifetime_for_web: 60}
users:
  - {user_id: ada, email: ada@example.com, email_verified: true, password: correct horse}
`);
  const settings = {
    issuerBaseURL: server.issuer, baseURL: base, clientID: 'inactivity', clientSecret: 'inactivity-secret',
    secret: 'a secret of more than thirty-two characters', revocationEndpoint: `${server.base}/oauth/revoke`,
  };
  site = shop(settings).listen(port, '127.0.0.1');
  // The shop runs in this process: its clock goes with the provider's.
  Date.now = () => machineTime() + ahead * 1000;
});
after(async () => {
  Date.now = machineTime;
  site.close();
  site.closeAllConnections();
  await server.stop();
});

async function advance(seconds) {
  ahead += seconds;
  await server.advance(seconds);
}

// A browser at the shop, whose owner signs in when the provider asks.
class Customer {
  person = new Person(server);
  cookies = new Map();

  async request(path, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(new URL(path, base), { redirect: 'manual', ...options, headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
  async signIn() {
    const away = (await this.request('/login')).headers.get('location');
    const back = await this.person.authorize(away);
    await this.request(back);
    assert.equal(await this.user(), 'auth0|ada');
  }
  async user() {
    return (await (await this.request('/')).json()).user;
  }
}

test('seed 3: a customer of the Express shop is logged out after one minute of inactivity', async () => {
  const ada = new Customer();
  await ada.signIn();
  for (let n = 0; n < 4; n += 1) {
    await advance(50);
    assert.equal(await ada.user(), 'auth0|ada', 'whoever shops is left alone');
  }
  await advance(40);
  await ada.request('/poll');
  await advance(21);
  assert.equal(await ada.user(), null);
  // The provider's minute is over as well: without the form nobody gets in.
  const away = (await ada.request('/login')).headers.get('location');
  assert.equal((await ada.person.request(away)).status, 200);
});

test('seed 4: a refused refresh signs out at once, and a logout revokes the refresh token', async () => {
  const ada = new Customer();
  await ada.signIn();
  const other = new Customer();
  other.cookies = new Map(ada.cookies);
  const out = await ada.request('/logout', { method: 'POST' });
  assert.equal(out.headers.get('location'), base);
  assert.equal(await ada.user(), null);
  // Whoever kept the cookie is in for as long as the access token lasts, and not a second longer.
  await advance(30);
  assert.equal(await other.user(), 'auth0|ada');
  await advance(31);
  assert.equal(await other.user(), null);
});
