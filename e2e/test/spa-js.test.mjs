// Auth0's SPA SDK, unmodified, in a real browser: rows B, C, D, E and F of the checklist that need one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';

let server, shop, forum, browser;
before(async () => {
  [shop, forum] = [await site(), await site()];
  const client = (id, { origin }) => `
  - client_id: ${id}
    name: ${id}
    app_type: spa
    callbacks: ["${origin}", "${origin}/"]
    web_origins: ["${origin}"]
    allowed_logout_urls: ["${origin}"]
    refresh_token: {rotation_type: rotating, expiration_type: expiring, token_lifetime: 86400, idle_token_lifetime: 7200}`;
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
clients:${client('shop', shop)}${client('forum', forum)}
users:
  - {email: ada@example.com, name: Ada, email_verified: true, password: correct horse}
`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
  forum?.close();
});

// A context with cookies of its own, at a site whose SDK is ready as `client`.
async function visit(place, id, options = {}, context) {
  context ??= await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(place.origin);
  const make = ([domain, clientId, settings]) => {
    window.make = () => window.auth0.createAuth0Client({ domain, clientId, authorizationParams: { redirect_uri: location.origin }, ...settings });
    return window.make().then((client) => { window.client = client; });
  };
  const ready = () => page.evaluate(make, [server.base, id, options]);
  await ready();
  return { context, page, ready, problems };
}

async function fillIn(page) {
  await page.getByLabel('E-mail address or user name').fill('ada@example.com');
  await page.getByLabel('Password').fill('correct horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function signIn({ page, ready }, origin) {
  await page.evaluate(() => { void window.client.loginWithRedirect(); });
  await page.waitForURL(/\/authorize\?/);
  await fillIn(page);
  await page.waitForURL((url) => url.origin === origin && url.searchParams.has('code'));
  await ready();
  await page.evaluate(() => window.client.handleRedirectCallback());
}

const user = (page) => page.evaluate(() => window.client.getUser());
const silently = (page, options = { cacheMode: 'off' }) =>
  page.evaluate(async (o) => {
    const began = performance.now();
    try {
      return { token: await window.client.getTokenSilently(o) };
    } catch (error) {
      return { error: error.error, description: error.error_description ?? error.message, took: performance.now() - began };
    }
  }, options);

test('B1, B2, C1: redirect login, then silent renewal in the invisible frame', async () => {
  const visitor = await visit(shop, 'shop');
  await signIn(visitor, shop.origin);
  assert.equal((await user(visitor.page)).email, 'ada@example.com');
  assert.ok((await silently(visitor.page)).token);
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('B5: cancelling comes back as access_denied', async () => {
  const { page, ready, context } = await visit(shop, 'shop');
  await page.evaluate(() => { void window.client.loginWithRedirect(); });
  await page.waitForURL(/\/authorize\?/);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForURL((url) => url.searchParams.get('error') === 'access_denied');
  await ready();
  const error = await page.evaluate(() => window.client.handleRedirectCallback().then(() => null, (e) => e.error));
  assert.equal(error, 'access_denied');
  await context.close();
});

test('C2: without a session the answer is login_required, at once and not after 60 s', async () => {
  const { page, context } = await visit(shop, 'shop');
  const answer = await silently(page);
  assert.equal(answer.error, 'login_required');
  assert.ok(answer.took < 10_000, `took ${answer.took} ms`);
  await context.close();
});

test('C5: popup login', async () => {
  const { page, context } = await visit(shop, 'shop');
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
  assert.equal((await user(page)).name, 'Ada');
  await context.close();
});

for (const cacheLocation of ['memory', 'localstorage']) {
  test(`D1, D2: refresh tokens with cacheLocation ${cacheLocation}`, async () => {
    const visitor = await visit(shop, 'shop', { useRefreshTokens: true, cacheLocation });
    await signIn(visitor, shop.origin);
    const first = await silently(visitor.page);
    const second = await silently(visitor.page);
    assert.ok(first.token && second.token && first.token !== second.token, JSON.stringify([first, second]));
    await visitor.context.close();
  });
}

test('D5: a family that ended is heard as an invalid refresh token, and the frame takes over', async () => {
  const visitor = await visit(shop, 'shop', { useRefreshTokens: true, useRefreshTokensFallback: true, cacheLocation: 'localstorage' });
  await signIn(visitor, shop.origin);
  await visitor.page.evaluate(() => window.client.revokeRefreshToken?.());
  const answer = await silently(visitor.page);
  assert.ok(answer.token, JSON.stringify(answer));
  await visitor.context.close();
});

test('K1, E1: one sign-in serves both sites, and a logout reaches both', async () => {
  const visitor = await visit(shop, 'shop');
  await signIn(visitor, shop.origin);
  const other = await visit(forum, 'forum', {}, visitor.context);
  assert.ok((await silently(other.page)).token, 'single sign-on');
  await visitor.page.evaluate(() => { void window.client.logout({ logoutParams: { returnTo: location.origin, federated: true } }); });
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.pathname === '/');
  const answer = await silently(other.page);
  assert.equal(answer.error, 'login_required');
  assert.equal(await user(other.page), undefined);
  await visitor.context.close();
});

test('F3, F6: the session goes idle on the server; a refresh token does not keep it alive', async () => {
  const visitor = await visit(shop, 'shop', { useRefreshTokens: true, cacheLocation: 'localstorage' });
  await signIn(visitor, shop.origin);
  const other = await visit(forum, 'forum', {}, visitor.context);
  await server.advance(3_000);
  // The ID token of the answer is dated by the server's clock, so the page's must follow.
  await visitor.page.clock.install({ time: Date.now() + 3_000_000 });
  await server.advance(700);
  const gone = await silently(other.page);
  assert.equal(gone.error, 'login_required');
  await visitor.context.close();
});
