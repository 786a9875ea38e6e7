// Sessions of several sites, told as journeys: each step of the workflow by its name, in one browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status, who } from '../lib/react-site.mjs';
import { fillIn } from '../lib/tenure-sdk.mjs';
import { TwoSites } from '../lib/two-sites.mjs';

const applications = [
  ['short-lived', 'two-sites-tenure.jsx', '/oidc/logout'],
  ["short-lived, Auth0's SPA SDK", 'two-sites-auth0.jsx', '/v2/logout'],
];
// A deadline that was not renewed differs by at least one of the waits below, of which the shortest is 80 s.
const near = (actual, expected, what) => assert.ok(Math.abs(actual - expected) < 40, `${what}: ${actual}, not about ${expected}`);
const dialog = ({ page }) => page.getByRole('alertdialog', { name: 'Are you still there?' });
const heading = ({ page }) => page.getByRole('heading', { name: 'Order 7', includeHidden: true });

// The API's answer to a button.
async function press({ page }, name, answer) {
  await page.getByRole('button', { name, exact: true }).click();
  await page.locator('#answer', { hasText: /./ }).waitFor();
  assert.match(await page.locator('#answer').textContent(), answer);
}

for (const [story, page, logout] of applications) {
  test(`seed 2, ${story}`, async (t) => {
    const session = await TwoSites.start(page, { profile: 'short-lived', minutes: 480, tokens: 150 });
    t.after(() => session.stop());
    const step = (name, run) => t.test(`seed 2, ${story}, ${name}`, run);
    const idleDeadline = async (sid) => Date.parse((await session.server.show(sid)).idle_expires_at) / 1000;
    let shop, forum, sid;

    await step('step 1: the first sign-in, in a new tab', async () => {
      shop = await session.visit(session.shop, '/');
      await who(shop.page, 'nobody');
      assert.deepEqual(session.shown, [], 'a public page asks nobody to sign in');
      session.taken();
      await shop.page.getByRole('link', { name: 'Order 7' }).click();
      await shop.page.waitForURL(/\/authorize\?/);
      assert.equal(shop.rendered, 0);
      await fillIn(shop.page);
      await heading(shop).waitFor();
      assert.equal(shop.page.url(), `${session.shop.origin}/orders/7?from=mail`, 'back to where the person wanted to go');
      const { expires, httpOnly } = await session.cookie();
      near(expires, session.now() + 480 * 60, 'the SSO cookie lasts as long as the session may');
      assert.equal(httpOnly, true);
      assert.deepEqual(session.taken().filter((one) => one.includes('/oauth/token')), ['POST /oauth/token authorization_code']);
      await status(shop.page, 'active');
      sid = await shop.page.evaluate(() => window.sid());
      near(await idleDeadline(sid), session.now() + 300, 'the idle deadline');
    });

    await step('step 2: what the person does with the API keeps the session alive', async () => {
      // Auth0's SDK renews a token a minute before its end.
      await session.pass(80);
      const before = await idleDeadline(sid);
      await press(shop, 'Show', /^GET by/);
      assert.deepEqual(session.taken(), [], 'the token of the login will do');
      assert.equal(await idleDeadline(sid), before);
      await session.pass(80);
      await press(shop, 'Change', /^PUT by/);
      assert.deepEqual(session.taken(), ['GET /authorize in a frame', 'POST /oauth/token authorization_code']);
      near(await idleDeadline(sid), session.now() + 300, 'the idle deadline');
      assert.deepEqual(session.api.calls, [{ method: 'GET', status: 200 }, { method: 'PUT', status: 200 }]);
    });

    await step('step 3: the second site lets the person in without asking', async () => {
      await session.pass(100);
      session.shown = [];
      forum = await session.visit(session.forum, '/orders/7');
      await heading(forum).waitFor();
      await who(forum.page, 'Ada');
      assert.deepEqual(session.shown, [], 'no page of the server was shown');
      assert.equal(await forum.page.evaluate(() => window.sid()), sid);
      await press(forum, 'Show', /^GET by/);
      near(await idleDeadline(sid), session.now() + 300, 'the idle deadline');
      await status(forum.page, 'active');
    });

    await step('step 4: after 240 s both sites ask for 60 s, and one answer serves both', async () => {
      await session.pass(200);
      for (const tab of [shop, forum]) assert.equal(await dialog(tab).isVisible(), false);
      await session.pass(41);
      for (const tab of [shop, forum]) await dialog(tab).waitFor();
      await session.pass(40);
      for (const tab of [shop, forum]) await tab.page.getByRole('timer').getByText(/in 1?[0-9] seconds/).waitFor();
      session.taken();
      await dialog(forum).getByRole('button', { name: 'Stay signed in' }).click();
      for (const tab of [shop, forum]) await dialog(tab).waitFor({ state: 'hidden' });
      near(await idleDeadline(sid), session.now() + 300, 'the idle deadline');
      await press(shop, 'Show', /^GET by/);
      assert.equal((await session.server.show(sid)).end, null);
    });

    await step('step 5: signing out clears the tokens, the cookie and the session, and leads to the page for it', async () => {
      session.taken();
      await forum.page.getByRole('button', { name: 'Log out' }).click();
      await forum.page.waitForURL(`${session.forum.origin}/bye`);
      await who(forum.page, 'nobody');
      assert.ok(session.taken().includes(`GET ${logout}`));
      const kept = await forum.page.evaluate(() => JSON.stringify({ ...localStorage }));
      assert.ok(!kept.includes('eyJ'), kept);
      assert.equal(await session.cookie(), undefined);
      assert.equal((await session.server.show(sid)).end.reason, 'user_logout');
    });

    await step('step 6: the first site knows at once, and shows nothing private', async () => {
      await who(shop.page, 'nobody');
      assert.equal(await heading(shop).count(), 0);
      shop.rendered = 0;
      await shop.page.reload();
      await shop.page.waitForURL(/\/authorize\?/);
      await shop.page.getByLabel('Password').waitFor();
      assert.equal(shop.rendered, 0, 'not even for a moment');
      for (const tab of [shop, forum]) assert.deepEqual(tab.problems, []);
    });
  });
}

const DAY = 86_400;
const QUIET = { profile: 'long-lived', minutes: 365 * 24 * 60, tokens: DAY };

for (const [story, page] of applications) {
  test(`seed 2, long-lived${story.slice('short-lived'.length)}`, async (t) => {
    const session = await TwoSites.start(page, QUIET);
    t.after(() => session.stop());
    const step = (name, run) => t.test(`seed 2, long-lived${story.slice('short-lived'.length)}, ${name}`, run);
    // A new tab, where the person is known or has to sign in.
    const comeBack = async () => {
      session.shown = [];
      const tab = await session.visit(session.shop, '/orders/7');
      await heading(tab).waitFor();
      return tab;
    };
    const meetTheLoginPage = async () => {
      const tab = await session.visit(session.shop, '/orders/7');
      await tab.page.getByLabel('Password').waitFor();
      assert.equal(tab.rendered, 0);
      return tab;
    };
    const sidOf = ({ page: at }) => at.evaluate(() => window.sid());
    let sid, began, forum;

    await step('one sign-in for a year; tokens last a day', async () => {
      const shop = await meetTheLoginPage();
      await fillIn(shop.page);
      await heading(shop).waitFor();
      [sid, began] = [await sidOf(shop), session.now()];
      near((await session.cookie()).expires, began + 365 * DAY, 'the SSO cookie');
      near(Date.parse((await session.server.show(sid)).idle_expires_at) / 1000, began + 100 * DAY, 'the idle deadline');
      await shop.page.close();
      forum = await session.visit(session.forum, '/orders/7');
      await heading(forum).waitFor();
    });

    // The first time just before the idle deadline; each visit gives a hundred days more.
    for (const [name, days] of Object.entries({ '99 days': 99, 'another 90': 90, 'a third quarter': 90, 'a fourth, shorter one': 85 })) {
      await step(`back after ${name}: the application session is long over, the session is not`, async () => {
        await session.pass(days * DAY);
        session.taken();
        const shop = await comeBack();
        assert.deepEqual(session.shown, [], 'nobody was asked to sign in');
        assert.ok(session.taken().includes('POST /oauth/token authorization_code'), 'the old tokens are worth nothing');
        assert.equal(await sidOf(shop), sid);
        await press(shop, 'Show', /^GET by/);
        const { expires } = await session.cookie();
        near(expires, began + 365 * DAY, 'the cookie still ends with the year');
        await shop.page.close();
        // The tab that was left open all the time goes on as well.
        await press(forum, 'Change', /^PUT by/);
      });
    }

    await step('on day 365 the person is warned, nothing puts it off, and they sign in again', async () => {
      await session.pass(Math.round(began + 365 * DAY - 50 - session.now()));
      await forum.page.getByRole('alertdialog', { name: 'Your session ends soon' }).waitFor();
      assert.equal(await forum.page.getByRole('button', { name: 'Stay signed in' }).count(), 0);
      await session.pass(51);
      await forum.page.getByRole('alertdialog', { name: 'You are signed out', description: 'Your session reached its longest duration.' }).waitFor();
      assert.equal(await heading(forum).count(), 0);
      assert.equal((await session.server.show(sid)).end.reason, 'absolute');
      const shop = await meetTheLoginPage();
      await fillIn(shop.page);
      await heading(shop).waitFor();
      assert.notEqual(await sidOf(shop), sid);
      sid = await sidOf(shop);
      await shop.page.close();
      await forum.page.close();
    });

    await step('who stays away for more than 100 days signs in again', async () => {
      await session.pass(100 * DAY + 60);
      await meetTheLoginPage();
      assert.equal((await session.server.show(sid)).end.reason, 'idle');
    });
  });
}
