// @tenure/browser in a real browser: where tokens come from, and what tabs share.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, client, fillIn, sdkSite, Visitor, withoutThirdPartyCookies } from '../lib/tenure-sdk.mjs';

let server, shop, strict, careful, foreign, forgotten, browser;
before(async () => {
  [shop, foreign, forgotten] = [await sdkSite(), await sdkSite({ host: '127.0.0.1' }), await sdkSite()];
  strict = await sdkSite({ headers: { 'content-security-policy': "worker-src 'none'" } });
  careful = await sdkSite({ headers: { 'content-security-policy': "worker-src 'self'" } });
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
resourceServers:
  - {identifier: "https://api.example.com", name: API, allow_offline_access: true, token_lifetime: 120, scopes: [{value: "read:orders"}, {value: "write:orders"}]}
clients:${client('shop', shop)}${client('strict', strict)}${client('careful', careful)}${client('foreign', foreign)}
${ada}`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  for (const site of [shop, strict, careful, foreign, forgotten]) site?.close();
});

const API = 'https://api.example.com';
const visit = (options, context, place = shop, id = 'shop') => Visitor.come(browser, server, place, id, options, context);
const token = (options) => [(asked) => window.client.getTokenSilently(asked), options];
const payload = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));
const grants = (visitor) => visitor.grants.map((body) => new URLSearchParams(body).get('grant_type'));

// The token requests of a page, those of its worker too.
function watch(visitor) {
  visitor.grants = [];
  visitor.frames = 0;
  visitor.context.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname === '/oauth/token') visitor.grants.push(request.postData() ?? '');
    if (pathname === '/authorize' && request.url().includes('prompt=none')) visitor.frames += 1;
  });
}

test('by audience and scope: from the cache, and from the invisible frame where there is none', async () => {
  const visitor = await visit();
  await visitor.signIn();
  watch(visitor);
  const first = await visitor.value(...token());
  assert.equal(await visitor.value(...token()), first);
  assert.equal(visitor.frames, 0);
  const forApi = await visitor.value(...token({ audience: API, scope: 'read:orders' }));
  assert.equal(visitor.frames, 1);
  assert.ok([payload(forApi).aud].flat().includes(API));
  assert.ok(payload(forApi).scope.split(' ').includes('read:orders'));
  assert.equal(await visitor.value(...token({ audience: API, scope: 'read:orders' })), forApi);
  assert.equal(await visitor.value(...token({ audience: API })), forApi, 'a token with more scopes will do');
  assert.notEqual(await visitor.value(...token({ audience: API, scope: 'write:orders' })), forApi);
  assert.equal(visitor.frames, 2);
  assert.notEqual(await visitor.value(...token({ cacheMode: 'off' })), first);
  assert.equal(await visitor.value(...token({ audience: 'https://other.example.com', cacheMode: 'cache-only' })), undefined);
  await visitor.context.close();
});

test('a pair is dropped when either token expires', async () => {
  const visitor = await visit({ audience: API });
  await visitor.signIn();
  const first = await visitor.value(...token());
  // The access token lasts 120 s; the ID token would last for hours.
  await visitor.page.clock.install();
  await visitor.page.clock.fastForward(115_000);
  await server.advance(115);
  assert.equal(await visitor.value(...token({ cacheMode: 'cache-only' })), undefined);
  assert.notEqual(await visitor.value(...token()), first);
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
  await visitor.context.close();
});

test('several calls at once are one request', async () => {
  const visitor = await visit();
  await visitor.signIn();
  watch(visitor);
  const tokens = await visitor.value(() => Promise.all(Array.from({ length: 8 }, () => window.client.getTokenSilently({ cacheMode: 'off' }))));
  assert.equal(new Set(tokens).size, 1);
  assert.equal(visitor.frames, 1);
  await visitor.context.close();
});

test('without a session the answer comes at once', async () => {
  const visitor = await visit();
  const { error, took } = await visitor.run(...token());
  assert.equal(error.code, 'login_required');
  assert.ok(took < 5_000, `${took} ms`);
  assert.equal(await visitor.value(() => window.client.checkSession()), false);
  await visitor.context.close();
});

test('a frame that shows something else is noticed when it has loaded, not after a minute', async () => {
  // No client knows this address: the server answers in the frame, and posts nothing.
  const visitor = await visit({}, undefined, forgotten);
  const { error, took } = await visitor.run(...token());
  assert.equal(error.code, 'frame_refused');
  assert.match(error.message, /callback/);
  assert.ok(took < 8_000, `${took} ms`);
  await visitor.context.close();
});

for (const cacheLocation of ['memory', 'localstorage']) {
  test(`refresh tokens, kept in ${cacheLocation}, come before the frame, and rotate`, async () => {
    const visitor = await visit({ useRefreshTokens: true, cacheLocation });
    watch(visitor);
    await visitor.signIn();
    const tokens = [await visitor.value(...token()), await visitor.value(...token({ cacheMode: 'off' })), await visitor.value(...token({ cacheMode: 'off' }))];
    assert.equal(new Set(tokens).size, 3);
    assert.deepEqual(grants(visitor), ['authorization_code', 'refresh_token', 'refresh_token']);
    assert.equal(visitor.frames, 0);
    const stored = await visitor.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes('refresh')));
    assert.equal(stored.length, cacheLocation === 'memory' ? 0 : 1);
    assert.deepEqual(visitor.problems, []);
    await visitor.context.close();
  });
}

test('in memory, the refresh token is in a worker: no object of the page holds it', async () => {
  const visitor = await visit({ useRefreshTokens: true });
  await visitor.page.addInitScript(() => {
    window.seen = [];
    const { fetch } = window;
    window.fetch = (...args) => {
      window.seen.push(String(args[1]?.body));
      return fetch(...args);
    };
  });
  await visitor.signIn();
  await visitor.value(...token({ cacheMode: 'off' }));
  assert.equal(visitor.page.workers().length, 1);
  const seen = await visitor.page.evaluate(() => window.seen);
  assert.ok(seen.length > 0, 'the page itself fetches other things');
  assert.ok(!seen.some((body) => body.includes('refresh_token')), seen.join('\n'));
  await visitor.context.close();
});

test('where the page forbids workers it keeps the tokens itself, and says so', async () => {
  const visitor = await visit({ useRefreshTokens: true }, undefined, strict, 'strict');
  const words = [];
  visitor.page.on('console', (message) => words.push(message.text()));
  watch(visitor);
  await visitor.signIn();
  assert.ok(await visitor.value(...token({ cacheMode: 'off' })));
  assert.deepEqual(grants(visitor), ['authorization_code', 'refresh_token']);
  assert.ok(words.some((text) => text.includes('workerUrl')), words.join('\n'));
  await visitor.context.close();
});

test("where workers may come from the page's own origin only, the package's script is served from there", async () => {
  const visitor = await visit({ useRefreshTokens: true, workerUrl: '/worker.js' }, undefined, careful, 'careful');
  watch(visitor);
  await visitor.signIn();
  assert.ok(await visitor.value(...token({ cacheMode: 'off' })));
  assert.deepEqual(grants(visitor), ['authorization_code', 'refresh_token']);
  assert.deepEqual(visitor.page.workers().map((worker) => new URL(worker.url()).pathname), ['/worker.js']);
  await visitor.context.close();
});

test('local storage survives a reload', async () => {
  const visitor = await visit({ useRefreshTokens: true, cacheLocation: 'localstorage' });
  await visitor.signIn();
  const first = await visitor.value(...token());
  await visitor.page.reload();
  await visitor.ready();
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
  assert.equal(await visitor.value(...token()), first);
  await visitor.context.close();
});

test('a revoked refresh token gives way to the frame', async () => {
  const visitor = await visit({ useRefreshTokens: true });
  await visitor.signIn();
  watch(visitor);
  const first = await visitor.value(...token());
  await visitor.value(() => window.client.revokeRefreshToken());
  const second = await visitor.value(...token());
  assert.notEqual(second, first);
  assert.equal(visitor.frames, 1);
  await visitor.context.close();
});

for (const [kept, options] of Object.entries({ 'in memory': {}, 'in local storage': { cacheLocation: 'localstorage' } })) {
  test(`two tabs share one refresh, with tokens kept ${kept}`, async () => {
    const visitor = await visit({ useRefreshTokens: true, ...options });
    await visitor.signIn();
    const other = await visit({ useRefreshTokens: true, ...options }, visitor.context);
    assert.equal(await other.value(() => window.client.checkSession()), true);
    assert.equal(await other.value(...token()), await visitor.value(...token()), 'what one tab has, the other has');
    watch(visitor);
    // The answer waits until all have asked.
    let release;
    const all = new Promise((resolve) => { release = resolve; });
    await visitor.context.route('**/oauth/token', (route) => all.then(() => route.continue()));
    const asking = [visitor, other].map((one) =>
      one.value(() => {
        const asked = [window.client, window.client].map((client) => client.getTokenSilently({ cacheMode: 'off' }));
        window.asked = true;
        return Promise.all(asked);
      }),
    );
    for (const { page } of [visitor, other]) await page.waitForFunction(() => window.asked);
    release();
    const both = (await Promise.all(asking)).flat();
    await visitor.context.unroute('**/oauth/token');
    assert.equal(new Set(both).size, 1, 'all have the same token');
    assert.deepEqual(grants(visitor), ['refresh_token'], 'of one request');
    assert.equal(visitor.frames, 0);
    // The tab without a refresh token of its own has the other one refresh.
    await other.value(...token({ cacheMode: 'off' }));
    assert.deepEqual(grants(visitor), ['refresh_token', 'refresh_token']);
    assert.equal(visitor.frames, 0);
    await visitor.context.close();
  });
}

test('another user who signs in takes the place of the first in all tabs', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const other = await visit({}, visitor.context);
  await other.value(() => window.client.checkSession());
  await visitor.page.evaluate(() => void window.client.loginWithRedirect({ prompt: 'login' }));
  await visitor.page.waitForURL(/\/authorize\?/);
  await fillIn(visitor.page, 'bob@example.com');
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
  await visitor.ready();
  await visitor.value(() => window.client.handleRedirectCallback());
  assert.equal((await visitor.value(() => window.client.getUser())).name, 'Bob');
  await other.page.waitForFunction(() => window.client.authState.user?.name === 'Bob');
  await visitor.context.close();
});

test('`fetch` sends the token along', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const user = await visitor.value((address) => window.client.fetch(address).then((response) => response.json()), `${server.base}/userinfo`);
  assert.equal(user.email, 'ada@example.com');
  await visitor.context.close();
});

for (const ahead of [-7_200, 7_200]) {
  test(`a client clock that is ${ahead} s off stops neither the login nor the cache`, async () => {
    const visitor = await visit();
    await visitor.context.clock.install({ time: Date.now() + ahead * 1_000 });
    await visitor.page.reload();
    await visitor.ready();
    await visitor.signIn();
    const first = await visitor.value(...token());
    assert.equal(await visitor.value(...token()), first);
    assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
    await visitor.context.close();
  });
}

test('where third-party cookies are blocked, it is said at once', async () => {
  await withoutThirdPartyCookies(async (context) => {
    // 127.0.0.1 and localhost are two sites.
    const visitor = await visit({}, context, foreign, 'foreign');
    await visitor.signIn();
    const { error, took } = await visitor.run(...token({ cacheMode: 'off' }));
    assert.equal(error.code, 'third_party_cookies_blocked', JSON.stringify(error));
    assert.ok(took < 5_000, `${took} ms`);
    assert.equal(await visitor.value(() => window.client.isAuthenticated()), true, 'it says nothing of the person');
    // Refresh tokens need no cookie.
    const better = await visit({ useRefreshTokens: true }, context, foreign, 'foreign');
    await better.page.evaluate(() => void window.client.loginWithRedirect());
    await better.page.waitForURL((url) => url.searchParams.has('code'));
    await better.ready();
    await better.value(() => window.client.handleRedirectCallback());
    assert.ok(await better.value(...token({ cacheMode: 'off' })));
  });
});

test('refresh tokens of the user before are forgotten', async () => {
  const visitor = await visit({ useRefreshTokens: true });
  const signIn = async (options, user) => {
    const opened = visitor.context.waitForEvent('page');
    await visitor.page.evaluate((asked) => {
      document.querySelector('#popup').onclick = () => { window.done = window.client.loginWithPopup(asked); };
    }, options);
    await visitor.page.click('#popup');
    await fillIn(await opened, user);
    await visitor.page.evaluate(() => window.done);
  };
  await signIn({ audience: API }, 'ada@example.com');
  const ada = payload(await visitor.value(...token({ audience: API }))).sub;
  await signIn({ prompt: 'login' }, 'bob@example.com');
  const bob = payload(await visitor.value(...token({ audience: API }))).sub;
  assert.notEqual(bob, ada);
  assert.equal((await visitor.value(() => window.client.getUser())).name, 'Bob');
  await visitor.context.close();
});

test('a tab that was frozen while it had its turn does not stop the others', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const frozen = await visit({}, visitor.context);
  await frozen.page.evaluate(
    (name) => new Promise((held) => void navigator.locks.request(name, () => new Promise(() => held()))),
    `tenure ${server.issuer} shop:tokens`,
  );
  // The patience of 25 s, in a page where time is short.
  await visitor.page.evaluate(() => {
    const { timeout } = AbortSignal;
    AbortSignal.timeout = (milliseconds) => timeout.call(AbortSignal, milliseconds === 25_000 ? 50 : milliseconds);
  });
  assert.ok(await visitor.value(...token({ cacheMode: 'off' })));
  await visitor.context.close();
});
