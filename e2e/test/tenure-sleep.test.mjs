// A frozen tab, a suspended machine, throttled timers and a wrong clock, none of them simulated: the browser freezes and
// throttles, the operating system suspends, and the pages have their own clock, which is behind the server's.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Chromium } from '../lib/chromium.mjs';
import { ReactSession } from '../lib/react-site.mjs';
import { client, sdkSite } from '../lib/tenure-sdk.mjs';

// Seconds by which the computer's clock is wrong.
const BEHIND = 7_200;
let session, plain, browser, first;
before(async () => {
  session = await ReactSession.serve('tenure-react.jsx');
  plain = await sdkSite();
  session.server.apply(session.tenant().replace('\nusers:', `${client('plain', plain)}\nusers:`));
  await session.server.advance(BEHIND);
});
after(async () => {
  await session?.stop();
  plain?.close();
});
beforeEach(async () => {
  browser = await Chromium.start();
  first = await signedIn('/orders');
});
afterEach(() => browser?.stop());

// What stands on the page at each frame that is drawn.
const instruments = () => {
  Object.assign(window, { privateRendered: () => undefined, frames: [], lifecycle: [] });
  for (const name of ['freeze', 'resume', 'visibilitychange']) {
    document.addEventListener(name, () => window.lifecycle.push(name === 'visibilitychange' ? document.visibilityState : name));
  }
  const look = () => {
    window.frames.push(document.querySelector('h1')?.checkVisibility() ? 'private' : 'nothing private');
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};

async function signedIn(path) {
  const tab = await browser.open(`${session.site.origin}${path}`, instruments);
  await tab.until(() => document.querySelector('input[name=password]'));
  await tab.evaluate(() => {
    document.querySelector('input[name=username]').value = 'ada@example.com';
    document.querySelector('input[name=password]').value = 'correct horse';
    document.querySelector('button[value=login]').click();
  });
  await shows(tab, 'active');
  tab.requests.length = 0;
  return tab;
}

const shows = (tab, status) => tab.until((wanted) => document.querySelector('#status')?.textContent === wanted, status);
const dialog = (tab, title) => tab.until((wanted) => document.querySelector('dialog[open] h2')?.textContent === wanted, title);
const isPrivate = (tab) => tab.evaluate(() => document.querySelector('h1')?.checkVisibility() === true);
const sidOf = (tab) => tab.evaluate(() => window.client.getIdTokenClaims().then(({ sid }) => sid));

// Another tab comes in front.
async function hide(tab) {
  const other = await browser.open(`${session.site.origin}/plain`, instruments);
  await tab.until(() => document.visibilityState === 'hidden');
  return other;
}

// Nothing that keeps a session alive was sent, and the server says the same.
async function wentIdle(tab, sid) {
  const keep = ['POST /session/extend', 'GET /authorize', 'POST /oauth/token'];
  assert.deepEqual(tab.requests.filter((request) => keep.includes(request)), []);
  const { end } = await session.server.show(sid);
  assert.equal(end?.reason, 'idle');
  assert.deepEqual(tab.problems, []);
}

test('the clock of this computer is wrong by two hours, and nobody is told anything wrong', async () => {
  const { endsAt, status } = await first.evaluate(() => window.client.monitor.state);
  assert.equal(status, 'active');
  assert.ok(Math.abs(endsAt / 1000 - Date.now() / 1000 - 300) < 60, 'five minutes from now, by this clock');
  await session.server.advance(241);
  await first.evaluate(() => window.client.monitor.checkNow());
  await dialog(first, 'Are you still there?');
});

// Also where no stream tells it.
for (const path of ['/orders', '/orders?quiet']) {
  test(`a tab that was frozen past the end, ${path}: who comes back sees that it is over, and nothing private for a frame`, async () => {
    const tab = path === '/orders' ? first : await browser.open(`${session.site.origin}${path}`, instruments);
    await shows(tab, 'active');
    const sid = await sidOf(tab);
    await hide(tab);
    await tab.freeze();
    tab.requests.length = 0;
    await session.server.advance(301);
    await tab.evaluate(() => { window.frames.length = 0; });
    await Promise.all([tab.thaw(), tab.front()]);
    await dialog(tab, 'You are signed out');
    assert.equal(await isPrivate(tab), false);
    assert.deepEqual(await tab.evaluate(() => [...new Set(window.frames)]), ['nothing private']);
    assert.deepEqual((await tab.evaluate(() => window.lifecycle)).slice(-3), ['freeze', 'resume', 'visible']);
    await wentIdle(tab, sid);
  });
}

test('a tab that was frozen into the last minute warns at once', async () => {
  await hide(first);
  await first.freeze();
  await session.server.advance(241);
  await first.thaw();
  await first.front();
  await dialog(first, 'Are you still there?');
  assert.equal(await isPrivate(first), true, 'behind the dialog');
  assert.ok(!first.requests.includes('POST /session/extend'));
});

test('a frozen tab keeps no other tab from hearing of the end', async () => {
  const sid = await sidOf(first);
  const other = await hide(first);
  await first.freeze();
  await other.send('Page.navigate', { url: `${session.site.origin}/orders` });
  await shows(other, 'active');
  await session.server.commandAsync('session', 'end', sid);
  await dialog(other, 'You are signed out');
  await first.thaw();
  await first.front();
  await dialog(first, 'You are signed out');
  assert.equal(await isPrivate(first), false);
});

test('nor does it with the SDK alone, and the monitor asks when the tab is thawed', async () => {
  const tabs = [];
  for (let count = 0; count < 2; count += 1) {
    const tab = await browser.open(plain.origin);
    await tab.until(() => document.readyState === 'complete');
    await tab.evaluate(async (issuer) => {
      window.client = window.tenure.createTenureClient({ issuer, clientId: 'plain' });
      await window.client.checkSession();
    }, session.server.issuer);
    await tab.until(() => window.client.monitor.state.status === 'active');
    tabs.push(tab);
  }
  const [holder, waiting] = tabs;
  const streams = (tab) => tab.requests.filter((request) => request === 'GET /session/events').length;
  assert.deepEqual(tabs.map(streams), [1, 0]);
  await holder.freeze();
  await session.server.commandAsync('session', 'end', await sidOf(waiting));
  const ended = () => window.client.monitor.state.reason === 'admin_revoked';
  await waiting.until(ended);
  assert.equal(await holder.evaluate(ended), false, 'it is frozen');
  await holder.thaw();
  await holder.until(ended);
});

test('a suspended machine: when it wakes, the page in front says that the session is over', async () => {
  const sid = await sidOf(first);
  browser.suspend();
  await session.server.advance(301);
  browser.wake();
  await dialog(first, 'You are signed out');
  assert.equal(await isPrivate(first), false);
  await wentIdle(first, sid);
});

test('timers of a tab behind another one are throttled, and yet it knows the end before anybody looks', async () => {
  const sid = await sidOf(first);
  await hide(first);
  const gaps = await first.evaluate(async () => {
    const all = [];
    for (let last = performance.now(), count = 0; count < 8; count += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      all.push(performance.now() - last);
      last = performance.now();
    }
    return all;
  });
  assert.ok(Math.max(...gaps) > 500, `not throttled: ${gaps}`);
  const { secondsLeft } = await first.evaluate(() => window.client.monitor.checkNow().then(() => window.client.monitor.state));
  assert.ok(secondsLeft > 10, `${secondsLeft}`);
  await session.server.advance(secondsLeft - 2);
  await first.evaluate(() => window.client.monitor.checkNow());
  await shows(first, 'ended');
  assert.equal(await first.evaluate(() => document.visibilityState), 'hidden');
  await first.evaluate(() => { window.frames.length = 0; });
  await first.front();
  await dialog(first, 'You are signed out');
  assert.deepEqual(await first.evaluate(() => [...new Set(window.frames)]), ['nothing private']);
  await wentIdle(first, sid);
});

test('a machine that slept behind another tab: whoever comes back sees nothing private while the server is asked', async () => {
  const sid = await sidOf(first);
  const { secondsLeft } = await first.evaluate(() => window.client.monitor.state);
  await session.server.advance(secondsLeft - 2);
  await first.evaluate(() => window.client.monitor.checkNow());
  await hide(first);
  await first.evaluate(() => { window.frames.length = 0; });
  browser.suspend();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  browser.wake();
  await first.front();
  await dialog(first, 'You are signed out');
  assert.deepEqual(await first.evaluate(() => [...new Set(window.frames)]), ['nothing private']);
  await wentIdle(first, sid);
});
