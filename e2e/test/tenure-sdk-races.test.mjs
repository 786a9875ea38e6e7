// @tenure/browser where things cross each other, or are missing: another user signs in while tokens are on their way,
// storage is forbidden, the page is written anew, the server cannot be reached.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, client, fillIn, sdkSite, Visitor } from '../lib/tenure-sdk.mjs';

let server, shop, browser;
before(async () => {
  shop = await sdkSite();
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
clients:${client('shop', shop)}
${ada}`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
});

const visit = (options, context) => Visitor.come(browser, server, shop, 'shop', options, context);
const newToken = () => window.client.getTokenSilently({ cacheMode: 'off' });
const user = (visitor) => visitor.value(() => window.client.getUser().then(({ name }) => name));

async function inPopup(visitor, name) {
  await visitor.page.evaluate(() => {
    window.answer = new Promise((resolve) => {
      document.querySelector('#popup').onclick = () => window.client.loginWithPopup({ prompt: 'login' }).then(resolve, resolve);
    });
  });
  const opened = visitor.context.waitForEvent('page');
  await visitor.page.click('#popup');
  const popup = await opened;
  await popup.waitForURL(/\/authorize\?/);
  await fillIn(popup, `${name}@example.com`);
  assert.equal(await visitor.page.evaluate(() => window.answer.then((error) => error?.code)), undefined);
}

for (const useRefreshTokens of [true, false]) {
  test(`another user signs in while a token of the first is on its way, ${useRefreshTokens ? 'by a refresh' : 'through the frame'}`, async () => {
    const visitor = await visit({ useRefreshTokens });
    await visitor.signIn();
    // Of two requests, only the first one waits: the second one is the other user's code.
    let letGo, arrived;
    const waiting = new Promise((resolve) => { arrived = resolve; });
    const gate = new Promise((resolve) => { letGo = resolve; });
    await visitor.context.route('**/oauth/token', async (route) => {
      const response = await route.fetch();
      arrived();
      await gate;
      await route.fulfill({ response });
    }, { times: 1 });
    const late = visitor.run(newToken);
    await waiting;
    await inPopup(visitor, 'bob');
    assert.equal(await user(visitor), 'Bob');
    letGo();
    assert.equal((await late).error?.code, 'invalid_response');
    assert.equal(await user(visitor), 'Bob');
    const claims = await visitor.value(() => window.client.getTokenSilently({ cacheMode: 'off' }).then(() => window.client.getIdTokenClaims()));
    assert.equal(claims.name, 'Bob');
    await visitor.context.close();
  });
}

test('what another tab tells of a user before forgets nothing of the present one', async () => {
  const visitor = await visit({ useRefreshTokens: true });
  await visitor.signIn();
  await visitor.page.evaluate((issuer) => {
    const tokens = { audience: '', scope: ['openid'], accessToken: 'old', idToken: 'old', claims: { sub: 'old' }, obtainedAt: 1, expiresAt: 2 };
    const channel = new BroadcastChannel(`tenure ${issuer} shop`);
    channel.postMessage({ kind: 'tell', from: 'another', body: { type: 'tokens', tokens } });
    channel.close();
  }, server.issuer);
  const sent = visitor.context.waitForEvent('request', (request) => request.url().endsWith('/oauth/token'));
  await visitor.value(newToken);
  assert.match((await sent).postData(), /grant_type=refresh_token/);
  assert.equal(await user(visitor), 'Ada');
  await visitor.context.close();
});

test('a token that must be new is not what another tab has', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const first = await visitor.value(() => window.client.getTokenSilently());
  const other = await visit({}, visitor.context);
  const [any, fresh] = await other.value(() => Promise.all([window.client.getTokenSilently(), window.client.getTokenSilently({ cacheMode: 'off' })]));
  assert.equal(any, first);
  assert.notEqual(fresh, first);
  await visitor.context.close();
});

test('a page that is written anew while the invisible frame is asked, or that has no body yet, gets its token', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const { value, error } = await visitor.run(async () => {
    const token = window.client.getTokenSilently({ cacheMode: 'off' });
    await new Promise((resolve) => new MutationObserver(resolve).observe(document, { childList: true, subtree: true }));
    document.body.innerHTML = '<h1>Anew</h1>';
    return token;
  });
  assert.equal(error, undefined);
  assert.ok(value);
  assert.ok(await visitor.value(() => {
    document.body.remove();
    return window.client.getTokenSilently({ cacheMode: 'off' });
  }));
  assert.equal(await visitor.page.locator('iframe').count(), 0);
  await visitor.context.close();
});

test('where the browser forbids local storage, or it is full, memory does', async () => {
  for (const broken of ['forbidden', 'full']) {
    const context = await browser.newContext();
    await context.addInitScript((how) => {
      const refuse = () => { throw new DOMException(how); };
      if (how === 'full') Storage.prototype.setItem = new Proxy(Storage.prototype.setItem, {
        apply: (target, self, args) => (self === localStorage ? refuse() : Reflect.apply(target, self, args)),
      });
      else Object.defineProperty(window, 'localStorage', { get: refuse });
    }, broken);
    const visitor = await visit({ cacheLocation: 'localstorage', useRefreshTokens: true }, context);
    await visitor.signIn();
    assert.equal(await user(visitor), 'Ada', broken);
    assert.ok(await visitor.value(newToken));
    await context.close();
  }
});

test('a logout that cannot reach the server says so, and nobody believes to be signed out', async () => {
  const visitor = await visit({ cacheLocation: 'localstorage' });
  await visitor.signIn();
  await visitor.page.goto(shop.origin);
  await visitor.ready();
  await visitor.context.route(/openid-configuration/, (route) => route.abort());
  assert.equal((await visitor.run(() => window.client.logout())).error.code, 'network');
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
  await visitor.context.unroute(/openid-configuration/);
  const left = visitor.page.waitForRequest(/\/oidc\/logout/);
  await visitor.page.evaluate(() => void window.client.logout());
  await left;
  await visitor.context.close();
});

test('a client that is closed at once does not count as a tab for ever', async () => {
  const visitor = await visit();
  const held = await visitor.value(async ([issuer]) => {
    const { client } = window;
    client.close();
    window.tenure.createTenureClient({ issuer, clientId: 'shop' }).close();
    // Granted in turn: whatever was asked for before has been answered.
    await navigator.locks.request('last', () => undefined);
    return (await navigator.locks.query()).held.map(({ name }) => name);
  }, [server.issuer]);
  assert.deepEqual(held, []);
  await visitor.context.close();
});

test('a monitor that is stopped and started follows the stream at once', async () => {
  const visitor = await visit();
  await visitor.context.clock.install();
  await visitor.signIn();
  const streams = () => visitor.requests.filter((request) => request === 'GET /session/events').length;
  await visitor.status('active');
  while (!streams()) await visitor.context.waitForEvent('request');
  const again = visitor.context.waitForEvent('request', { predicate: (request) => request.url().includes('/session/events'), timeout: 10_000 });
  await visitor.value(() => {
    window.client.monitor.stop();
    window.client.monitor.start();
  });
  await again;
  const { sid } = await visitor.value(() => window.client.getIdTokenClaims());
  await server.commandAsync('session', 'end', sid);
  assert.equal((await visitor.heard('ended')).reason, 'admin_revoked');
  await visitor.context.close();
});

test('CVE-2026-18569: an ID token whose header says that it needs no signature signs nobody in', async () => {
  const visitor = await visit();
  await visitor.page.evaluate(() => void window.client.loginWithRedirect());
  await visitor.page.waitForURL(/\/authorize\?/);
  await visitor.context.route('**/oauth/token', async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    await route.fulfill({ response, json: { ...answer, id_token: `${header}.${answer.id_token.split('.')[1]}.` } });
  });
  await fillIn(visitor.page);
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
  await visitor.ready();
  assert.equal((await visitor.run(() => window.client.handleRedirectCallback())).error.code, 'invalid_response');
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), false);
  await visitor.context.close();
});
