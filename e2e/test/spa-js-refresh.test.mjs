// Auth0's SPA SDK with refresh tokens, in its worker and in localStorage, in calm and in storm.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';
import { ada, client, Visitor } from '../lib/visit.mjs';

let server, shop, browser;
before(async () => {
  shop = await site();
  const lives = 'refresh_token: {rotation_type: rotating, expiration_type: expiring, token_lifetime: 86400, idle_token_lifetime: 7200}';
  server = await Server.start(`
clients:${client('shop', shop, lives)}
${ada}
`, { manualClock: false });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
});

const visit = (options, context) => Visitor.at(shop, server, browser, { id: 'shop', options: { useRefreshTokens: true, ...options }, context });
const stored = { cacheLocation: 'localstorage' };
const tokenOf = ({ told }) => told.refresh_token;

for (const cacheLocation of ['memory', 'localstorage']) {
  test(`D1, D2: refresh tokens with cacheLocation ${cacheLocation}`, async () => {
    const visitor = await visit({ cacheLocation });
    await visitor.signIn();
    const [first, second] = [await visitor.renews(), await visitor.renews()];
    assert.notEqual(first, second);
    const [login, renewed] = await visitor.exchanged(3);
    assert.match(login.told.scope, /offline_access/);
    assert.notEqual(tokenOf(login), tokenOf(renewed));
    assert.equal(JSON.parse(Buffer.from(renewed.told.id_token.split('.')[1], 'base64url')).nonce, undefined);
    await visitor.leaveForGood();
  });
}

test('D3: two tabs that refresh at once both get tokens, and go on', async () => {
  const visitor = await visit(stored);
  await visitor.signIn();
  const other = await visit(stored, visitor.context);
  // Each with the token that it read before the other rotated it: the lock of the SDK is circumvented.
  const [login] = await visitor.exchanged(1);
  const race = (page) => page.evaluate(async ([url, token]) => {
    const body = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'shop', refresh_token: token });
    const answer = await fetch(url, { method: 'POST', body });
    return (await answer.json()).refresh_token;
  }, [`${server.base}/oauth/token`, tokenOf(login)]);
  const [one, two] = await Promise.all([race(visitor.page), race(other.page)]);
  assert.ok(one && one === two, 'both hold the one successor');
  // The tabs' own storage still has the predecessor.
  await Promise.all([visitor.renews(), other.renews()]);
  await visitor.renews();
  await visitor.leaveForGood();
});

test('D5: a family that ended is heard as an invalid refresh token, and the frame takes over', async () => {
  const visitor = await visit({ ...stored, useRefreshTokensFallback: true });
  await visitor.signIn();
  const [login] = await visitor.exchanged(1);
  await fetch(`${server.base}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ client_id: 'shop', token: tokenOf(login) }) });
  await visitor.renews();
  const [, refused, framed] = await visitor.exchanged(3);
  assert.deepEqual([refused.told.error, refused.told.error_description], ['invalid_grant', 'Unknown or invalid refresh token.']);
  assert.equal(new URLSearchParams(framed.sent).get('grant_type'), 'authorization_code');
  await visitor.leaveForGood();
});

for (const useDpop of [false, true]) {
  test(`D7: an answer that is lost on the network is asked for again${useDpop ? ', with the same proof' : ''}`, async () => {
    const visitor = await visit({ ...stored, useDpop });
    await visitor.signIn();
    let lost;
    await visitor.context.route('**/oauth/token', async (route) => {
      if (lost || route.request().method() !== 'POST') return route.continue();
      lost = await (await route.fetch()).json();
      return route.abort('connectionreset');
    });
    await visitor.renews();
    const [, again] = await visitor.exchanged(2);
    assert.equal(again.status, 200);
    assert.equal(tokenOf(again), lost.refresh_token, 'the rotation is not repeated, its answer is');
    await visitor.renews();
    await visitor.leaveForGood();
  });
}

test('D8: an overloaded server signs nobody out of a worker', async () => {
  const visitor = await visit();
  await visitor.signIn();
  let asked = 0;
  // As the server answers when something broke or is throttled: no JSON.
  await visitor.context.route('**/oauth/token', (route) => {
    asked += 1;
    return asked > 1 ? route.continue() : route.fulfill({ status: 503, contentType: 'text/plain', headers: { 'access-control-allow-origin': shop.origin, 'retry-after': '1' }, body: 'overloaded\n' });
  });
  const failed = await visitor.silently();
  assert.deepEqual([failed.token, asked], [undefined, 1]);
  // The worker still has its refresh token.
  await visitor.renews();
  assert.equal(asked, 2);
  await visitor.leaveForGood();
});

test('D9: a client that asks for max_age refreshes with auth_time', async () => {
  const visitor = await visit({ ...stored, authorizationParams: { max_age: 600 } });
  await visitor.signIn();
  const before = (await visitor.claims()).auth_time;
  await visitor.renews();
  assert.equal((await visitor.claims()).auth_time, before);
  await visitor.leaveForGood();
});

for (const useFormData of [true, false]) {
  test(`D13: revoking, ${useFormData ? 'as a form' : 'as JSON'}`, async () => {
    const visitor = await visit({ ...stored, useFormData });
    await visitor.signIn();
    const [login] = await visitor.exchanged(1);
    const answer = visitor.page.waitForResponse((response) => response.url().endsWith('/oauth/revoke') && response.request().method() === 'POST');
    await visitor.page.evaluate(() => window.client.revokeRefreshToken());
    assert.deepEqual([(await answer).status(), (await answer).headers()['content-length']], [200, '0']);
    const refused = await fetch(`${server.base}/oauth/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'shop', refresh_token: tokenOf(login) }) });
    assert.equal((await refused.json()).error, 'invalid_grant');
    await visitor.leaveForGood();
  });
}
