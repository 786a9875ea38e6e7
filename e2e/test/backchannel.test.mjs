// Back-channel logout with express-openid-connect as it is: its session is gone within a moment of the
// session's end, whoever ended it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { application, Guest, Memory } from '../lib/express.mjs';
import { freePort, Person, Server } from '../lib/server.mjs';

const callback = 'http://localhost:3000/cb';
const challenge = 'I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY';

let server, app, base;
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
  app = application(port, server, { client: 'shop', secret: 'shop-secret', session: { store: new Memory() }, backchannelLogout: { store: new Memory() } });
});
after(async () => {
  app.close();
  await server.stop();
});

const spaUrl = `/authorize?${new URLSearchParams({ client_id: 'spa', redirect_uri: callback, response_type: 'code', scope: 'openid', state: 's', code_challenge: challenge, code_challenge_method: 'S256' })}`;

// The application's session is gone a moment before its answer is written down.
async function answered(sid) {
  for (let tries = 0; ; tries += 1) {
    const told = JSON.parse(server.command('session', 'deliveries', sid, '--json'));
    if (tries > 50 || told.every(({ state }) => state !== 'pending')) return told;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('discovery says so', async () => {
  const document = await (await fetch(`${server.base}/.well-known/openid-configuration`)).json();
  assert.equal(document.backchannel_logout_supported, true);
  assert.equal(document.backchannel_logout_session_supported, true);
});

test('G8: a logout in another application ends its session before the person is sent on', async () => {
  const visitor = new Guest(base, new Person(server));
  await visitor.signIn();
  await visitor.person.authorize(spaUrl);
  await visitor.person.request('/v2/logout?client_id=spa');
  assert.equal(await visitor.who(), null);
  assert.deepEqual(app.received, [204]);
});

test('G8: an end from the command line reaches it, and only the session that ended', async () => {
  const [one, other] = [new Guest(base, new Person(server)), new Guest(base, new Person(server))];
  const sid = await one.signIn();
  await other.signIn();
  server.command('session', 'end', sid);
  assert.ok(await one.isGone());
  assert.ok(await other.who(), 'another session of the same person lives on');
  const told = await answered(sid);
  assert.deepEqual(told.map(({ client_id: client, state, reason, last_status: status }) => [client, state, reason, status]),
    [['shop', 'delivered', 'admin_revoked', 204]]);
  assert.equal(JSON.parse(server.command('session', 'show', sid, '--json')).applications[0].delivery.state, 'delivered');
});

test('G8: an idle end reaches it without anybody asking', async () => {
  const visitor = new Guest(base, new Person(server));
  const sid = await visitor.signIn();
  await server.advance(72 * 3600 + 1);
  assert.ok(await visitor.isGone());
  const [told] = await answered(sid);
  assert.deepEqual([told.state, told.reason], ['delivered', 'idle']);
});

test('tenure client test-logout tells what the application answers', async () => {
  const said = await server.commandAsync('client', 'test-logout', 'shop', '--base-url', server.base);
  assert.match(said, /delivered: answered 204/);
  await assert.rejects(server.commandAsync('client', 'test-logout', 'shop', '--base-url', 'http://localhost:1'), /answered 400/);
  await assert.rejects(server.commandAsync('client', 'test-logout', 'spa', '--base-url', server.base), /backchannel_logout_urls/);
});
