// The session monitor of @tenure/browser in a real browser. The server's clock is moved by hand, the pages' clocks
// by Playwright: they agree unless a test says otherwise.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, client, fillIn, sdkSite, Visitor } from '../lib/tenure-sdk.mjs';

const API = 'https://api.example.com';
let server, shop, forum, foreign, browser;
before(async () => {
  [shop, forum, foreign] = [await sdkSite(), await sdkSite(), await sdkSite({ host: '127.0.0.1' })];
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 10, session_lifetime_in_minutes: 60}
resourceServers:
  - {identifier: "${API}", name: API, allow_offline_access: true, token_lifetime: 120}
clients:${client('shop', shop)}${client('forum', forum)}${client('foreign', foreign)}
${ada}`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  for (const site of [shop, forum, foreign]) site?.close();
});

// Somebody signed in at the shop, in pages whose clocks can be moved. `ahead`: seconds by which they are wrong.
async function shopping({ options = {}, place = shop, id = 'shop', ahead = 0 } = {}) {
  const context = await browser.newContext();
  // The server's clock has been moved by other tests; the pages' starts wherever it likes.
  await context.clock.install({ time: Date.now() + ahead * 1_000 });
  const visitor = await Visitor.come(browser, server, place, id, options, context);
  await visitor.signIn();
  await visitor.status('active');
  return visitor;
}

async function second(first, options = {}, place = shop, id = 'shop') {
  const other = await Visitor.come(browser, server, place, id, options, first.context);
  assert.equal(await other.value(() => window.client.checkSession()), true);
  await other.status('active');
  return other;
}

// Time passes at the server, and in all pages of the visitor's browser.
async function pass(seconds, { context }) {
  await server.advance(seconds);
  await context.clock.fastForward(seconds * 1_000);
}

const state = (visitor) => visitor.page.evaluate(() => window.client.monitor.state);
// The same instant by the page's clock, which is compared with the server's anew when it was moved.
const same = (instant, wanted, message) => assert.ok(Math.abs(instant - wanted) < 2_000, `${message}: ${instant} is not ${wanted}`);
const names = (visitor) => visitor.page.evaluate(() => window.heard.map(({ name }) => name));
const left = (visitor) => visitor.page.evaluate(() => (window.client.monitor.state.endsAt - Date.now()) / 1_000);
const soon = (visitor, count, what) =>
  visitor.page.waitForFunction(([wanted, name]) => window.heard.filter((one) => one.name === name).length >= wanted, [count, what]);

function requests(visitor, path) {
  const seen = [];
  visitor.context.on('request', (request) => {
    if (new URL(request.url()).pathname === path) seen.push(request.method());
  });
  return seen;
}

test('the warning comes a minute before the end, and an extension in another tab takes it back in all', async () => {
  const visitor = await shopping();
  const other = await second(visitor);
  const before = await state(visitor);
  assert.equal(before.reason, 'idle');
  assert.equal(before.extendable, true);
  await pass(480, visitor);
  assert.equal((await state(visitor)).status, 'active');
  await pass(65, visitor);
  for (const one of [visitor, other]) {
    const { secondsLeft, rule } = await one.heard('warning');
    assert.ok(secondsLeft <= 60 && secondsLeft > 0, `${secondsLeft}`);
    assert.equal(rule, 'stored_idle');
  }
  await pass(20, visitor);
  await visitor.page.waitForFunction(() => window.client.monitor.state.secondsLeft <= 40);
  await other.value(() => window.client.monitor.extend());
  for (const one of [visitor, other]) {
    await one.heard('extended');
    await one.status('active');
    assert.ok((await state(one)).endsAt >= before.endsAt + 540_000);
    assert.equal((await names(one)).filter((name) => name === 'warning').length, 1);
  }
  await visitor.context.close();
});

test('at the idle deadline the server says that the session is over, and then everybody is told', async () => {
  const visitor = await shopping({ options: { monitor: { events: false } } });
  await pass(545, visitor);
  await visitor.heard('warning');
  await pass(60, visitor);
  const { reason, rule } = await visitor.heard('ended');
  assert.equal(reason, 'idle');
  assert.equal(rule, 'stored_idle');
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), false);
  const { error } = await visitor.run(() => window.client.monitor.extend());
  assert.equal(error.code, 'session_ended');
  assert.equal(error.reason, 'idle');
  // A new login is followed again.
  await visitor.signIn();
  await visitor.status('active');
  await visitor.context.close();
});

test('another application extends the session: no warning is raised, no end is told', async () => {
  for (const events of [true, false]) {
    const visitor = await shopping({ options: { monitor: { events } } });
    const elsewhere = await second(visitor, { monitor: { events: false } }, forum, 'forum');
    await pass(400, visitor);
    await elsewhere.value(() => window.client.getTokenSilently({ cacheMode: 'off' }));
    await elsewhere.heard('extended');
    if (events) await visitor.heard('extended');
    await pass(145, visitor);
    // 545 s after the login: the server was asked before anybody was warned.
    await visitor.heard('extended');
    await visitor.value(() => window.client.monitor.checkNow());
    await pass(60, visitor);
    await visitor.value(() => window.client.monitor.checkNow());
    assert.equal((await state(visitor)).status, 'active');
    assert.deepEqual((await names(visitor)).filter((name) => name !== 'extended'), []);
    await visitor.context.close();
  }
});

test('after a sleep beyond the deadline the server is asked first: over, or kept alive elsewhere', async () => {
  const visitor = await shopping({ options: { monitor: { events: false } } });
  const elsewhere = await second(visitor, { monitor: { events: false } }, forum, 'forum');
  for (let round = 0; round < 2; round += 1) {
    await server.advance(500);
    await elsewhere.value(() => window.client.monitor.extend());
  }
  // Only now do the pages wake up, 1,000 seconds later.
  await visitor.context.clock.fastForward(1_000_000);
  await visitor.heard('extended');
  await visitor.status('active');
  assert.ok(!(await names(visitor)).includes('ended'));
  await pass(700, visitor);
  assert.equal((await visitor.heard('ended')).reason, 'idle');
  await visitor.context.close();
});

test('timers that do not run at all: looking at the page tells the truth', async () => {
  const visitor = await shopping({ options: { monitor: { events: false } } });
  await visitor.context.clock.pauseAt(Date.now() + 86_400_000);
  await visitor.value(() => window.client.monitor.checkNow());
  await server.advance(700);
  assert.equal((await state(visitor)).status, 'active', 'nothing has told it yet');
  // A page's counting clock does not stand still, but this one's timers are stopped.
  await visitor.page.evaluate(() => {
    const { now } = performance;
    performance.now = () => now.call(performance) + 10_000;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  assert.equal((await visitor.heard('ended')).reason, 'idle');
  await visitor.context.close();
});

for (const ahead of [-7_200, 7_200]) {
  test(`a client clock that is ${ahead} s off warns and ends at the right instants`, async () => {
    const began = performance.now();
    const visitor = await shopping({ ahead });
    const seconds = await left(visitor);
    const gone = (performance.now() - began) / 1_000;
    assert.ok(seconds > 598 - gone && seconds <= 602, `${seconds} after ${gone}`);
    await pass(480, visitor);
    assert.equal((await state(visitor)).status, 'active');
    await pass(65, visitor);
    await visitor.heard('warning');
    await pass(60, visitor);
    assert.equal((await visitor.heard('ended')).reason, 'idle');
    await visitor.context.close();
  });
}

test('offline is shown, is no end, and passes', async () => {
  const visitor = await shopping();
  await visitor.context.setOffline(true);
  await visitor.value(() => window.client.monitor.checkNow());
  await visitor.status('offline');
  assert.equal((await visitor.run(() => window.client.monitor.extend())).error.code, 'network');
  await visitor.context.clock.fastForward(700_000);
  assert.equal((await state(visitor)).status, 'offline');
  await visitor.context.setOffline(false);
  await visitor.status('active');
  assert.ok(!(await names(visitor)).includes('ended'));
  await visitor.context.close();
});

test('what the person does in any tab keeps the session alive; a refresh in the background does not', async () => {
  const visitor = await shopping({ options: { useRefreshTokens: true } });
  const other = await second(visitor, { useRefreshTokens: true });
  const deadline = async () => (await state(visitor)).idleDeadline;
  const before = await deadline();
  const extensions = requests(visitor, '/session/extend');
  await pass(200, visitor);
  await visitor.value(() => window.client.getTokenSilently({ cacheMode: 'off' }));
  await visitor.value(() => window.client.monitor.checkNow());
  same(await deadline(), before, 'neither a refresh nor a question is an activity');
  assert.deepEqual(extensions, []);
  await other.page.mouse.move(10, 10);
  await other.page.mouse.move(50, 50);
  await soon(visitor, 1, 'extended');
  assert.ok((await deadline()) > before + 190_000);
  await other.page.keyboard.press('a');
  await other.page.mouse.click(30, 30);
  await other.value(() => window.client.monitor.checkNow());
  assert.deepEqual(extensions.filter((method) => method === 'POST'), ['POST'], 'not each movement');
  await visitor.context.close();
});

test('a session-bound refresh token keeps the session alive when the application uses it', async () => {
  const visitor = await shopping({ options: { useRefreshTokens: true, refreshTokenMode: 'online', monitor: { extendOnActivity: false } } });
  const silent = requests(visitor, '/authorize');
  const { endsAt } = await state(visitor);
  await pass(300, visitor);
  await visitor.value(() => window.client.getTokenSilently({ cacheMode: 'off' }));
  await visitor.heard('extended');
  assert.ok((await state(visitor)).endsAt >= endsAt + 290_000);
  assert.deepEqual(silent, []);
  await pass(601, visitor);
  assert.equal((await visitor.heard('ended')).reason, 'idle');
  // The refresh token ended with the session, and there is no other way.
  assert.equal((await visitor.run(() => window.client.getTokenSilently())).error.code, 'login_required');
  await visitor.context.close();
});

test('an offline refresh token outlives an idle session: the person stays signed in here, until a logout elsewhere', async () => {
  const visitor = await shopping({ options: { useRefreshTokens: true } });
  await pass(601, visitor);
  assert.equal((await visitor.heard('ended')).reason, 'idle');
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
  assert.ok(await visitor.value(() => window.client.getTokenSilently({ cacheMode: 'off' })));
  await visitor.signIn();
  await visitor.status('active');
  const elsewhere = await second(visitor, {}, forum, 'forum');
  await elsewhere.page.evaluate(() => void window.client.logout());
  assert.equal((await visitor.heard('ended')).reason, 'user_logout');
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), false);
  await visitor.context.close();
});

test('asking extends nothing and renews nothing: an expired token is proof enough, without any cookie', async () => {
  const visitor = await shopping({ options: { audience: API, monitor: { extendOnActivity: false } }, place: foreign, id: 'foreign' });
  const [tokens, silent] = [requests(visitor, '/oauth/token'), requests(visitor, '/authorize')];
  const { idleDeadline } = await state(visitor);
  await pass(300, visitor);
  assert.equal(await visitor.value(() => window.client.getTokenSilently({ cacheMode: 'cache-only' })), undefined);
  for (let round = 0; round < 3; round += 1) await visitor.value(() => window.client.monitor.checkNow());
  assert.equal((await state(visitor)).status, 'active');
  same((await state(visitor)).idleDeadline, idleDeadline, 'a question is no activity');
  assert.deepEqual([tokens, silent], [[], []]);
  await pass(300, visitor);
  assert.equal((await visitor.heard('ended')).reason, 'idle');
  assert.deepEqual([tokens, silent], [[], []]);
  await visitor.context.close();
});

test('one tab follows the stream for all, and another takes over', async () => {
  const visitor = await shopping();
  const streams = ({ requests: all }) => all.filter((request) => request === 'GET /session/events').length;
  // It begins just after the state is known.
  for (let tries = 0; !streams(visitor) && tries < 500; tries += 1) await visitor.page.evaluate(() => navigator.locks.query());
  const other = await second(visitor);
  const third = await second(visitor);
  await third.value(() => window.client.monitor.checkNow());
  assert.deepEqual([visitor, other, third].map(streams), [1, 0, 0]);
  const followed = visitor.context.waitForEvent('request', (request) => request.url().includes('/session/events'));
  await visitor.page.close();
  await followed;
  const sid = (await other.value(() => window.client.getIdTokenClaims())).sid;
  await server.commandAsync('session', 'end', sid);
  for (const one of [other, third]) {
    assert.equal((await one.heard('ended')).reason, 'admin_revoked');
    assert.equal(await one.value(() => window.client.isAuthenticated()), false);
  }
  await other.context.close();
});

test('the state is one object until it changes, and listeners can leave', async () => {
  const visitor = await shopping();
  const seen = await visitor.value(async () => {
    const { monitor } = window.client;
    const first = monitor.state;
    let calls = 0;
    const leave = monitor.subscribe(() => { calls += 1; });
    await monitor.checkNow();
    const same = first === monitor.state;
    leave();
    monitor.stop();
    return { same, calls, last: monitor.state.status };
  });
  assert.deepEqual(seen, { same: true, calls: 0, last: 'active' });
  await visitor.context.close();
});

test("beside Auth0's SDK: only its cache is asked, and an extension uses its tokens", async () => {
  const context = await browser.newContext();
  await context.clock.install({ time: Date.now() });
  const page = await context.newPage();
  const make = () =>
    page.evaluate(async (domain) => {
      window.auth = await window.auth0.createAuth0Client({ domain, clientId: 'shop', authorizationParams: { redirect_uri: location.origin } });
    }, server.base);
  await page.goto(shop.origin);
  await make();
  await page.evaluate(() => void window.auth.loginWithRedirect());
  await page.waitForURL(/\/authorize\?/);
  await fillIn(page);
  await page.waitForURL((url) => url.searchParams.has('code'));
  await make();
  await page.evaluate(() => window.auth.handleRedirectCallback());
  const visitor = { page, context };
  const silent = requests(visitor, '/authorize');
  await page.evaluate((issuer) => {
    window.heard = [];
    window.modes = [];
    const getToken = ({ cacheMode }) => {
      window.modes.push(cacheMode);
      return window.auth.getTokenSilently({ cacheMode });
    };
    const monitor = window.tenure.monitorSession({ issuer, clientId: 'shop', getToken });
    window.client = { monitor };
    for (const name of ['warning', 'extended', 'ended']) monitor.on(name, (said) => window.heard.push({ name, ...said }));
  }, server.issuer);
  await page.waitForFunction(() => window.client.monitor.state.status === 'active');
  await pass(545, visitor);
  await page.waitForFunction(() => window.client.monitor.state.status === 'warning');
  assert.deepEqual(await page.evaluate(() => [...new Set(window.modes)]), ['cache-only']);
  assert.deepEqual(silent, []);
  await page.evaluate(() => window.client.monitor.extend());
  await page.waitForFunction(() => window.client.monitor.state.status === 'active');
  await pass(601, visitor);
  await page.waitForFunction(() => window.client.monitor.state.status === 'ended');
  assert.equal(await page.evaluate(() => window.client.monitor.state.reason), 'idle');
  await context.close();
});
