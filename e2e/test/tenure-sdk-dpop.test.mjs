// @tenure/browser with DPoP (RFC 9449): tokens that are worth nothing without this browser's key.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, client, sdkSite, Visitor } from '../lib/tenure-sdk.mjs';

let server, shop, foreign, browser;
before(async () => {
  [shop, foreign] = [await sdkSite(), await sdkSite({ host: '127.0.0.1' })];
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
resourceServers:
  - {identifier: "https://one.example.com", name: One, allow_online_access: true}
  - {identifier: "https://two.example.com", name: Two, allow_online_access: true}
clients:${client('shop', shop)}${client('foreign', foreign)}
${ada}`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
  foreign?.close();
});

const online = { useDpop: true, useRefreshTokens: true, refreshTokenMode: 'online' };
const visit = (options, context, place = shop, id = 'shop') => Visitor.come(browser, server, place, id, options, context);
const token = (options) => [(asked) => window.client.getTokenSilently(asked), options];
const payload = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));
const deadline = (visitor) => visitor.page.evaluate(() => window.client.monitor.state.idleDeadline);

for (const cacheLocation of ['memory', 'localstorage']) {
  test(`D12: a session-bound refresh token with a key, kept in ${cacheLocation}`, async () => {
    const visitor = await visit({ ...online, cacheLocation });
    await visitor.signIn();
    const first = await visitor.value(...token());
    const { jkt } = payload(first).cnf;
    await visitor.status('active');
    const before = await deadline(visitor);
    // The page's clock is behind from here on: the server asks for a nonce, and nobody notices.
    await server.advance(1_800);
    const second = await visitor.value(...token({ cacheMode: 'off' }));
    const third = await visitor.value(...token({ cacheMode: 'off' }));
    assert.equal(new Set([first, second, third]).size, 3);
    assert.equal(payload(third).cnf.jkt, jkt);
    await visitor.value(() => window.client.monitor.checkNow());
    // In the page's own clock, which stood still, the deadline is where it was: half an hour later at the server.
    assert.ok(Math.abs((await deadline(visitor)) - before) < 10_000, 'using it is an activity');
    assert.deepEqual(visitor.problems, []);
    await visitor.context.close();
  });
}

test('the token works with the key, and not without', async () => {
  const visitor = await visit(online);
  await visitor.signIn();
  const address = `${server.base}/userinfo`;
  assert.equal(await visitor.value((url) => window.client.fetch(url).then((answer) => answer.json()).then(({ email }) => email), address), 'ada@example.com');
  const stolen = await visitor.value(...token());
  for (const scheme of ['Bearer', 'DPoP']) {
    assert.equal((await fetch(address, { headers: { authorization: `${scheme} ${stolen}` } })).status, 401);
  }
  await visitor.context.close();
});

test('the monitor proves the session and extends it with the bound token, without any cookie', async () => {
  const visitor = await visit({ ...online, monitor: { events: true } }, undefined, foreign, 'foreign');
  await visitor.signIn();
  await visitor.status('active');
  await visitor.value(() => window.client.monitor.extend());
  const sid = (await visitor.value(() => window.client.getIdTokenClaims())).sid;
  await server.commandAsync('session', 'end', sid);
  assert.equal((await visitor.heard('ended')).reason, 'admin_revoked');
  await visitor.context.close();
});

test('all tabs use one key, and its private half cannot be exported', async () => {
  const visitor = await visit(online);
  await visitor.signIn();
  const other = await visit(online, visitor.context);
  assert.equal(await other.value(() => window.client.checkSession()), true);
  const address = `${server.base}/userinfo`;
  assert.equal(await other.value((url) => window.client.fetch(url).then(({ status }) => status), address), 200);
  const exported = await visitor.page.evaluate(async () => {
    const database = await new Promise((resolve) => {
      const opening = indexedDB.open('tenure', 1);
      opening.onsuccess = () => resolve(opening.result);
    });
    const [pair] = await new Promise((resolve) => {
      const reading = database.transaction('dpop').objectStore('dpop').getAll();
      reading.onsuccess = () => resolve(reading.result);
    });
    return crypto.subtle.exportKey('jwk', pair.privateKey).then(() => 'exported', (error) => error.name);
  });
  assert.equal(exported, 'InvalidAccessError');
  await visitor.context.close();
});

test('CVE-2026-40155: two requests that are both asked for a nonce keep their own tokens', async () => {
  const visitor = await visit(online);
  await visitor.signIn();
  await server.advance(600);
  const audiences = ['https://one.example.com', 'https://two.example.com'];
  const tokens = await visitor.value(
    (all) => Promise.all(all.map((audience) => window.client.getTokenSilently({ audience, cacheMode: 'off' }))),
    audiences,
  );
  audiences.forEach((audience, index) => assert.ok([payload(tokens[index]).aud].flat().includes(audience)));
  const answers = await visitor.value(
    ([url, all]) => Promise.all(all.map((audience) => window.client.fetch(url, { audience }).then(({ status }) => status))),
    [`${server.base}/userinfo`, audiences],
  );
  assert.deepEqual(answers, [200, 200]);
  await visitor.context.close();
});

test('revoking the session-bound token ends the session', async () => {
  const visitor = await visit(online);
  await visitor.signIn();
  await visitor.status('active');
  await visitor.value(() => window.client.revokeRefreshToken());
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), false);
  assert.equal((await visitor.run(...token())).error.code, 'login_required');
  await visitor.context.close();
});
