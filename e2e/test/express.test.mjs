// express-openid-connect, unmodified: code login, refresh, both logouts, silent login, and what a web application does besides.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, mock, test } from 'node:test';
import { application, Guest } from '../lib/express.mjs';
import { freePort, Person, Server } from '../lib/server.mjs';

const secret = "s3cr-et~1 x!*'()";
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

let server, apps;
before(async () => {
  const names = ['shop', 'auth0', 'silent', 'fresh', 'prover'];
  const ports = await Promise.all(names.map(freePort));
  const jwk = JSON.stringify({ ...publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' });
  const registered = names.map((name, n) => {
    const credentials = name === 'prover' ? `token_endpoint_auth_method: private_key_jwt, jwks: {keys: [${jwk}]}` : `client_secret: "${secret}"`;
    const base = `http://localhost:${ports[n]}`;
    return `  - {client_id: ${name}, name: ${name}, ${credentials}, callbacks: ["${base}/callback"], allowed_logout_urls: ["${base}"], jwt_configuration: {lifetime_in_seconds: 600}}\n`;
  });
  server = await Server.start(`
tenant: {pushed_authorization_requests_supported: true, idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 120}
clients:
${registered.join('')}users:
  - {email: ada@example.com, name: Ada, email_verified: true, password: correct horse}
`);
  const made = (name, options) => application(ports[names.indexOf(name)], server, { client: name, secret, ...options });
  apps = {
    shop: made('shop', { idpLogout: true, authorizationParams: { scope: 'openid profile email offline_access' } }),
    auth0: made('auth0', { idpLogout: true, auth0Logout: true }),
    silent: made('silent', { attemptSilentLogin: true }),
    fresh: made('fresh', { authorizationParams: { max_age: 600 } }),
    prover: made('prover', {
      secret: undefined, pushedAuthorizationRequests: true, clientAuthMethod: 'private_key_jwt',
      clientAssertionSigningKey: privateKey.export({ type: 'pkcs8', format: 'pem' }), clientAssertionSigningAlg: 'RS256',
    }),
  };
});
after(async () => {
  Object.values(apps ?? {}).forEach((app) => app.close());
  await server?.stop();
});

const guest = (name, person = new Person(server)) => new Guest(apps[name].base, person);
const claims = async (visitor) => (await visitor.json('/who')).claims;

test('G2: code login, with a secret that the library encodes for HTTP Basic', async () => {
  const visitor = guest('shop');
  await visitor.signIn();
  assert.equal((await claims(visitor)).name, 'Ada');
  assert.equal((await visitor.json('/profile')).email, 'ada@example.com');
});

test('G3: refresh', async () => {
  const visitor = guest('shop');
  await visitor.signIn();
  for (const round of [1, 2]) {
    assert.deepEqual(await visitor.json('/refresh'), { status: 200, renewed: true }, `round ${round}`);
  }
});

test('G4: idpLogout ends the session without a question', async () => {
  const visitor = guest('shop');
  const sid = await visitor.signIn();
  const away = await visitor.sentTo('/logout');
  assert.match(away, /\/oidc\/logout\?.*id_token_hint=/);
  const gone = await visitor.person.request(away);
  assert.deepEqual([gone.status, gone.headers.get('location')], [302, apps.shop.base]);
  assert.equal((await server.show(sid)).end.reason, 'user_logout');
  assert.equal(await visitor.who(), null);
});

test('G6: auth0Logout takes the other way to the same end', async () => {
  const visitor = guest('auth0');
  const sid = await visitor.signIn();
  const away = await visitor.sentTo('/logout');
  assert.match(away, /\/v2\/logout\?/);
  const gone = await visitor.person.request(away);
  assert.deepEqual([gone.status, gone.headers.get('location')], [302, apps.auth0.base]);
  assert.equal((await server.show(sid)).end.reason, 'user_logout');
});

test('G7: attemptSilentLogin asks once, and signs in who has a session', async () => {
  const visitor = guest('silent');
  const away = await visitor.sentTo('/who');
  assert.equal(new URL(away).searchParams.get('prompt'), 'none');
  const refused = (await visitor.person.request(away)).headers.get('location');
  assert.equal(new URL(refused).searchParams.get('error'), 'login_required');
  await visitor.get(refused);
  assert.equal(await visitor.who(), null, 'no second attempt');
  // A person with a session is signed in without seeing a page.
  const known = guest('shop');
  await known.signIn();
  const other = guest('silent', known.person);
  const back = (await other.person.request(await other.sentTo('/who'))).headers.get('location');
  await other.get(back);
  assert.ok(await other.who());
});

test('G9: max_age, and auth_time in the ID token', async () => {
  const visitor = guest('fresh');
  await visitor.signIn();
  assert.ok(Number.isInteger((await claims(visitor)).auth_time));
});

test('G10: a pushed request by a client that proves itself with a key', async () => {
  const visitor = guest('prover');
  const away = await visitor.sentTo('/login');
  assert.ok(new URL(away).searchParams.get('request_uri'));
  const back = await visitor.person.authorize(away);
  assert.equal((await visitor.get(back)).status, 302);
  assert.ok(await visitor.who());
});

test('G5: an ID token that has expired is still a hint', async () => {
  const visitor = guest('shop');
  await visitor.signIn();
  await server.advance(900);
  const gone = await visitor.person.request(await visitor.sentTo('/logout'));
  assert.deepEqual([gone.status, gone.headers.get('location')], [302, apps.shop.base]);
});

test('F1: session_expiry ends the application session, half a minute early', async () => {
  const visitor = guest('auth0');
  await visitor.signIn();
  const { session_expiry: ceiling } = await claims(visitor);
  mock.timers.enable({ apis: ['Date'], now: (ceiling - 31) * 1_000 });
  try {
    assert.ok(await visitor.who());
    mock.timers.setTime((ceiling - 29) * 1_000);
    assert.equal(await visitor.who(), null);
  } finally {
    mock.timers.reset();
  }
});
