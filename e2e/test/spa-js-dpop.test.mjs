// Auth0's SPA SDK with DPoP: a key that never leaves the browser, and tokens that are worth nothing without it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';
import { ada, client, Visitor } from '../lib/visit.mjs';

let server, shop, strict, browser;
before(async () => {
  [shop, strict] = [await site(), await site()];
  server = await Server.start(tenant());
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
  strict?.close();
});

const tenant = () => `
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
clients:${client('shop', shop)}${client('strict', strict, 'require_proof_of_possession: true')}
${ada}`;
const visit = (options, place = shop, id = 'shop') => Visitor.at(place, server, browser, { id, options });
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

// The SDK's own way to call a resource with the token, its proof and the nonce.
const userinfo = (visitor) =>
  visitor.page.evaluate(async (url) => {
    const answer = await window.client.createFetcher({ dpopNonceId: 'userinfo' }).fetchWithAuth(url);
    return answer.json();
  }, `${visitor.server.base}/userinfo`);

for (const cacheLocation of ['memory', 'localstorage']) {
  test(`D12: online mode with a key, cacheLocation ${cacheLocation}`, async () => {
    // A server of its own, since its clock goes ahead of the page's.
    const ahead = await Server.start(tenant());
    try {
      await onlineWithAKey(ahead, cacheLocation);
    } finally {
      await ahead.stop();
    }
  });
}

async function onlineWithAKey(server, cacheLocation) {
  const options = { useRefreshTokens: true, useDpop: true, refreshTokenMode: 'online', cacheLocation };
  const visitor = await Visitor.at(shop, server, browser, { id: 'shop', options });
  await visitor.signIn();
  const [login] = await visitor.exchanged(1);
  assert.equal(login.told.token_type, 'DPoP');
  assert.match(login.told.scope, /online_access/);
  const { sid } = claims(login.told.id_token);
  const before = Date.parse((await server.show(sid)).idle_expires_at);
  // Past the page's clock: the server asks for a nonce, the SDK repeats with it, nobody notices.
  await server.advance(1_800);
  const first = await visitor.renews();
  const [, asked, renewed] = await visitor.exchanged(3);
  assert.deepEqual([asked.status, asked.told.error, renewed.status], [400, 'use_dpop_nonce', 200]);
  assert.ok(!('refresh_token' in renewed.told), 'a session-bound token stays as it is');
  assert.ok(claims(first).cnf.jkt);
  const extended = Date.parse((await server.show(sid)).idle_expires_at) - before;
  assert.ok(extended >= 1_790_000, `its exchange is activity: ${extended} ms`);
  await server.advance(1_800);
  await visitor.renews();
  // The nonce came with the last answer.
  await visitor.exchanged(4);
  const told = await userinfo(visitor);
  assert.equal(told.email, 'ada@example.com', JSON.stringify(told));
  // Revoking it ends the session, and the SDK knows.
  await visitor.page.evaluate(() => window.client.revokeRefreshToken());
  assert.equal((await server.show(sid)).end.reason, 'user_logout');
  assert.equal(await visitor.isAuthenticated(), false);
  await visitor.leaveForGood();
}

test('D1, D2 with a key: offline tokens rotate, and a stolen one is worth nothing', async () => {
  const visitor = await visit({ useRefreshTokens: true, useDpop: true, cacheLocation: 'localstorage' });
  await visitor.signIn();
  await visitor.renews();
  const [login, renewed] = await visitor.exchanged(2);
  assert.notEqual(renewed.told.refresh_token, login.told.refresh_token);
  const stolen = { grant_type: 'refresh_token', client_id: 'shop', refresh_token: renewed.told.refresh_token };
  const thief = await fetch(`${server.base}/oauth/token`, { method: 'POST', body: new URLSearchParams(stolen) });
  assert.deepEqual([thief.status, (await thief.json()).error], [400, 'invalid_grant']);
  const bearer = await fetch(`${server.base}/userinfo`, { headers: { authorization: `Bearer ${renewed.told.access_token}` } });
  assert.equal(bearer.status, 401);
  await visitor.renews();
  await visitor.leaveForGood();
});

test('a client that must prove a key is refused without one, in words', async () => {
  const visitor = await visit({}, strict, 'strict');
  await assert.rejects(visitor.signIn(), /A DPoP proof is required/);
  await visitor.context.close();
  const holder = await visit({ useDpop: true }, strict, 'strict');
  await holder.signIn();
  assert.equal((await holder.exchanged(1))[0].told.token_type, 'DPoP');
  // The frame too: its code is bound by `dpop_jkt`.
  await holder.renews();
  await holder.leaveForGood();
});
