// Back-channel logout with express-openid-connect as it is: its session is gone within a moment of the
// session's end, whoever ended it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createServer } from 'node:http';
import express from 'express';
import { auth } from 'express-openid-connect';
import { freePort, Person, Server } from '../lib/server.mjs';

const callback = 'http://localhost:3000/cb';
const challenge = 'I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY';

// Sessions in memory, with the interface that express-session stores have.
class Memory {
  constructor() {
    this.kept = new Map();
  }
  get(id, done) {
    done(null, this.kept.get(id));
  }
  set(id, session, done) {
    this.kept.set(id, session);
    done?.(null);
  }
  destroy(id, done) {
    this.kept.delete(id);
    done?.(null);
  }
}

let server, app, base, received;
before(async () => {
  const port = await freePort();
  base = `http://localhost:${port}`;
  server = await Server.start(`
clients:
  - {client_id: shop, name: Shop, client_secret: shop-secret, callbacks: ["${base}/callback"], allowed_logout_urls: ["${base}"],
     oidc_logout: {backchannel_logout_urls: ["${base}/backchannel-logout"]}}
  - {client_id: spa, name: Spa, app_type: spa, callbacks: ["${callback}"], web_origins: ["http://localhost:3000"]}
users:
  - {email: ada@example.com, password: correct horse}
`);
  const site = express();
  received = [];
  site.use((request, response, next) => {
    if (request.path === '/backchannel-logout') response.on('finish', () => received.push(response.statusCode));
    next();
  });
  site.use(auth({
    issuerBaseURL: server.base, baseURL: base, clientID: 'shop', clientSecret: 'shop-secret', secret: 'a long enough secret for cookies',
    authRequired: false, authorizationParams: { response_type: 'code', scope: 'openid profile' }, idTokenSigningAlg: 'RS256',
    session: { store: new Memory() }, backchannelLogout: { store: new Memory() },
  }));
  site.get('/who', (request, response) => response.json({ user: request.oidc.isAuthenticated() ? request.oidc.user.sid : null }));
  app = createServer(site).listen(port, '127.0.0.1');
});
after(async () => {
  app.close();
  app.closeAllConnections();
  await server.stop();
});

// A person's browser at the application; `person` holds the cookies of the server.
class Visitor {
  constructor(person) {
    this.person = person;
    this.cookies = new Map();
  }
  async get(url) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(new URL(url, base), { redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
  async signIn() {
    const away = (await this.get('/login')).headers.get('location');
    const back = await this.person.authorize(away);
    assert.equal((await this.get(back)).status, 302);
    const sid = await this.who();
    assert.ok(sid, 'signed in');
    return sid;
  }
  async who() {
    return (await (await this.get('/who')).json()).user;
  }
  // A second at most.
  async isGone() {
    for (let tries = 0; tries < 50; tries += 1) {
      if (!(await this.who())) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  }
}

const spaUrl = `/authorize?${new URLSearchParams({ client_id: 'spa', redirect_uri: callback, response_type: 'code', scope: 'openid', state: 's', code_challenge: challenge, code_challenge_method: 'S256' })}`;

test('discovery says so', async () => {
  const document = await (await fetch(`${server.base}/.well-known/openid-configuration`)).json();
  assert.equal(document.backchannel_logout_supported, true);
  assert.equal(document.backchannel_logout_session_supported, true);
});

test('a logout in another application ends its session before the person is sent on', async () => {
  const visitor = new Visitor(new Person(server));
  await visitor.signIn();
  await visitor.person.authorize(spaUrl);
  await visitor.person.request('/v2/logout?client_id=spa');
  assert.equal(await visitor.who(), null);
  assert.deepEqual(received, [204]);
});

test('an end from the command line reaches it, and only the session that ended', async () => {
  const [one, other] = [new Visitor(new Person(server)), new Visitor(new Person(server))];
  const sid = await one.signIn();
  await other.signIn();
  server.command('session', 'end', sid);
  assert.ok(await one.isGone());
  assert.ok(await other.who(), 'another session of the same person lives on');
  const told = JSON.parse(server.command('session', 'deliveries', sid, '--json'));
  assert.deepEqual(told.map(({ client_id: client, state, reason, last_status: status }) => [client, state, reason, status]),
    [['shop', 'delivered', 'admin_revoked', 204]]);
  assert.equal(JSON.parse(server.command('session', 'show', sid, '--json')).applications[0].delivery.state, 'delivered');
});

test('an idle end reaches it without anybody asking', async () => {
  const visitor = new Visitor(new Person(server));
  const sid = await visitor.signIn();
  await server.advance(72 * 3600 + 1);
  assert.ok(await visitor.isGone());
  const [told] = JSON.parse(server.command('session', 'deliveries', sid, '--json'));
  assert.deepEqual([told.state, told.reason], ['delivered', 'idle']);
});

test('tenure client test-logout tells what the application answers', async () => {
  const said = await server.commandAsync('client', 'test-logout', 'shop', '--base-url', server.base);
  assert.match(said, /delivered: answered 204/);
  await assert.rejects(server.commandAsync('client', 'test-logout', 'shop', '--base-url', 'http://localhost:1'), /answered 400/);
  await assert.rejects(server.commandAsync('client', 'test-logout', 'spa', '--base-url', server.base), /backchannel_logout_urls/);
});
