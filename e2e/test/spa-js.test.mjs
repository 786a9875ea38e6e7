// Auth0's SPA SDK, unmodified, in a real browser: signing in, silent renewal, signing out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';
import { ada, client, fillIn, Visitor } from '../lib/visit.mjs';

let server, shop, forum, stranger, browser;
before(async () => {
  [shop, forum, stranger] = [await site(), await site(), await site()];
  server = await Server.start(`
tenant:
  idle_session_lifetime_in_minutes: 60
  session_lifetime_in_minutes: 480
  allowed_logout_urls: ["${forum.origin}/bye"]
clients:${client('shop', shop)}${client('forum', forum)}
  - {client_id: stranger, name: Stranger, app_type: spa, callbacks: ["${stranger.origin}"]}
${ada}
`, { manualClock: false });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
  forum?.close();
  stranger?.close();
});

const visit = (options = {}, context, place = shop, id = 'shop') => Visitor.at(place, server, browser, { id, options, context });
const visitForum = (context) => visit({}, context, forum, 'forum');

test('B1, B2, C1: redirect login, then silent renewal in the invisible frame', async () => {
  const visitor = await visit();
  await visitor.signIn();
  assert.equal((await visitor.user()).email, 'ada@example.com');
  const { sid } = await visitor.claims();
  const before = (await server.show(sid)).idle_expires_at;
  await visitor.renews();
  assert.ok((await server.show(sid)).idle_expires_at > before, 'silent renewal is activity');
  const [{ told }] = await visitor.exchanged(2);
  assert.deepEqual([told.token_type, told.expires_in, told.scope], ['Bearer', 300, 'openid profile email']);
  await visitor.leaveForGood();
});

test('B3: the code is exchanged as JSON', async () => {
  const visitor = await visit({ useFormData: false });
  await visitor.signIn();
  const [{ headers }] = await visitor.exchanged(1);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal((await visitor.user()).name, 'Ada');
  await visitor.leaveForGood();
});

test('B4: parameters that the frame sends along with its code do no harm', async () => {
  const visitor = await visit();
  await visitor.signIn();
  await visitor.renews({ cacheMode: 'off', authorizationParams: { max_age: 600, acr_values: 'x', foo: 'bar' } });
  const [, { sent }] = await visitor.exchanged(2);
  assert.equal(new URLSearchParams(sent).get('foo'), 'bar');
  await visitor.leaveForGood();
});

test('B5: cancelling comes back as access_denied', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await visitor.leave();
  await page.waitForURL(/\/authorize\?/);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForURL((url) => url.searchParams.get('error') === 'access_denied');
  await visitor.ready();
  const error = await page.evaluate(() => window.client.handleRedirectCallback().then(() => null, (e) => e.error));
  assert.equal(error, 'access_denied');
  await visitor.leaveForGood();
});

test('C2: without a session the answer is login_required, at once and not after 60 s', async () => {
  const visitor = await visit();
  const answer = await visitor.silently();
  assert.deepEqual([answer.error, answer.description], ['login_required', 'Login required']);
  assert.ok(answer.took < 10_000, `took ${answer.took} ms`);
  assert.equal(await visitor.isAuthenticated(), false);
  await visitor.leaveForGood();
});

test('C3: from an origin that is not registered the answer names the setting, at once', async () => {
  const visitor = await visit({}, undefined, stranger, 'stranger');
  const answer = await visitor.silently();
  assert.deepEqual([answer.error, answer.description], ['invalid_request', "The origin of the redirect_uri is not in the client's web_origins"]);
  assert.ok(answer.took < 10_000, `took ${answer.took} ms`);
  await visitor.leaveForGood();
});

test('C5: popup login', async () => {
  const visitor = await visit();
  const { page, context } = visitor;
  const opened = context.waitForEvent('page');
  // A click is needed for a browser to let a window open.
  await page.evaluate(() => {
    const button = document.createElement('button');
    button.textContent = 'popup';
    button.onclick = () => { window.done = window.client.loginWithPopup(); };
    document.body.append(button);
  });
  await page.getByText('popup').click();
  await fillIn(await opened);
  await page.evaluate(() => window.done);
  assert.equal((await visitor.user()).name, 'Ada');
  await visitor.leaveForGood();
});

test('K1, E1: one sign-in serves both sites, and a logout reaches both', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const other = await visitForum(visitor.context);
  await other.renews();
  // The page is at that address already.
  const returned = visitor.page.waitForEvent('domcontentloaded');
  await visitor.page.evaluate(() => { void window.client.logout({ logoutParams: { returnTo: location.origin, federated: true } }); });
  await returned;
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.pathname === '/');
  const answer = await other.silently();
  assert.equal(answer.error, 'login_required');
  assert.equal(await other.user(), undefined);
  await visitor.leaveForGood();
});

test('E2: a return address that is not allowed is a page, and the session lives', async () => {
  const visitor = await visit();
  await visitor.signIn();
  await visitor.page.evaluate(() => { void window.client.logout({ logoutParams: { returnTo: 'https://evil.example/' } }); });
  await visitor.page.waitForURL(/\/v2\/logout/);
  await visitor.page.getByRole('button', { name: 'Sign out anyway' }).waitFor();
  const other = await visitForum(visitor.context);
  await other.renews();
  await visitor.page.getByRole('button', { name: 'Sign out anyway' }).click();
  await visitor.page.waitForLoadState();
  assert.equal((await other.silently()).error, 'login_required');
  await visitor.context.close();
});

test("E4: without a client the tenant's own list counts", async () => {
  const visitor = await visit();
  await visitor.signIn();
  const back = `${forum.origin}/bye`;
  await visitor.page.evaluate((returnTo) => { void window.client.logout({ clientId: null, logoutParams: { returnTo } }); }, back);
  await visitor.page.waitForURL(back);
  const other = await visit({}, visitor.context);
  assert.equal((await other.silently()).error, 'login_required');
  await visitor.leaveForGood();
});
