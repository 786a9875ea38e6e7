// Auth0's ManagementClient against the management API, over TLS, which is all that it speaks.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person, Server } from '../lib/server.mjs';
import { certificate, run } from '../lib/tls.mjs';

const redirect = 'https://localhost:3001/callback';
const ada = 'auth0|ada';

let tls, server;
beforeEach(async () => {
  tls = certificate();
  server = await Server.start(`
clients:
  - {client_id: web, name: Web, client_secret: web-secret, callbacks: ["${redirect}"]}
  - {client_id: backend, name: Backend, client_secret: backend-secret, app_type: non_interactive}
  - {client_id: reader, name: Reader, client_secret: reader-secret, app_type: non_interactive}
users: [{user_id: "${ada}", email: ada@example.com, name: Ada, email_verified: true, password: correct horse}]
`, { manualClock: false, tls });
  const audience = `${server.issuer}api/v2/`;
  const scopes = ['read', 'update', 'delete'].flatMap((verb) => [`${verb}:sessions`, `${verb}:refresh_tokens`])
    .concat('read:tenant_settings', 'update:tenant_settings');
  const told = server.apply(`
clientGrants:
  - {client_id: Backend, audience: "${audience}", scope: ${JSON.stringify(scopes)}}
  - {client_id: Reader, audience: "${audience}", scope: ["read:sessions"]}
`);
  assert.doesNotMatch(told, /!/, 'nothing to be surprised at');
});
afterEach(async () => {
  await server?.stop();
  tls?.remove();
});

const plays = async (scenario) =>
  assert.equal(await run('management-client.mjs', tls, { base: server.base, redirect, scenario, ada }), 'all of it\n');

test('I1: a granted client fetches its token and calls with it; others are refused', () => plays('I1'));
test("I2: a user's sessions are listed page by page, read, noted upon, ended and revoked", () => plays('I2'));
test("I3: a user's refresh tokens are listed page by page, read, noted upon and revoked", () => plays('I3'));
test("I4: the tenant's settings are read and changed, and a login goes by them", () => plays('I4'));
test('I7: a client that calls too often waits as it is told, and gets its answers', () => plays('I7'));

test('I2: the graph of an ended session is what the command line prints', async () => {
  // By hand: the client knows no graph.
  const manual = await Server.start(`
clients:
  - {client_id: backend, name: Backend, client_secret: backend-secret, app_type: non_interactive}
`);
  try {
    manual.apply(`
clientGrants: [{client_id: Backend, audience: "${manual.issuer}api/v2/", scope: ["read:sessions", "delete:sessions"]}]
clients: [{client_id: shop, name: Shop, app_type: spa, callbacks: ["http://localhost:3000"]}]
users: [{email: ada@example.com, password: correct horse}]
`);
    const query = new URLSearchParams({
      client_id: 'shop', redirect_uri: 'http://localhost:3000', response_type: 'code', scope: 'openid', state: 's',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
    });
    await new Person(manual).authorize(`${manual.base}/authorize?${query}`);
    const body = new URLSearchParams({
      grant_type: 'client_credentials', client_id: 'backend', client_secret: 'backend-secret', audience: `${manual.issuer}api/v2/`,
    });
    const { access_token: token } = await (await fetch(`${manual.base}/oauth/token`, { method: 'POST', body })).json();
    const call = (method, path) => fetch(`${manual.base}/api/v2${path}`, { method, headers: { authorization: `Bearer ${token}` } });
    const { sessions } = await (await call('GET', '/sessions')).json();
    assert.equal(sessions.length, 1);
    const [{ id }] = sessions;
    assert.equal((await call('DELETE', `/sessions/${id}`)).status, 204);
    const read = async () => (await call('GET', `/sessions/${id}/graph`)).json();
    // Whether the shop is to be told is settled a moment later, and so is what the log says of successes.
    while ((await read()).applications[0].delivery.state === 'pending') await sleep(100);
    const { activities, ...graph } = await read();
    assert.ok(activities.some(({ type }) => type === 'session_revoked'));
    assert.deepEqual([graph.end.reason, graph.end.by, graph.end.rule], ['admin_revoked', 'backend', 'management API']);
    const { activities: _, ...printed } = await manual.show(id);
    assert.deepEqual(graph, printed);
  } finally {
    await manual.stop();
  }
});
