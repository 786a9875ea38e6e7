// `tenure demo`: the experiments that its sites propose, and the rest of the panel.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Demo } from '../lib/demo.mjs';
import { launch } from '../lib/sites.mjs';

let demo, browser;
before(async () => {
  demo = await Demo.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  assert.deepEqual(await demo?.stop(), [], 'nothing of the demo is left behind');
});

const is = (page, text) => page.getByText(text, { exact: false }).first().waitFor();

test('it prints where everything is, and who may sign in', () => {
  for (const part of [demo.server, `${demo.shop}/`, `${demo.forum}/`, `${demo.api}/orders`, 'ada@example.com']) assert.ok(demo.said.includes(part), demo.said);
});

test('experiment 1: doing nothing ends the session after a warning, with the reason', async () => {
  const visitor = await demo.visitor(browser);
  const shop = await visitor.open(demo.shop);
  await is(shop, 'No session yet');
  await visitor.signIn(shop);
  await is(shop, 'Walnut desk');
  await visitor.layer(shop, 'Session').getByText('alive; the idle timeout ends it first').waitFor();
  await visitor.press(shop, 'To 5 s before the next deadline');
  await shop.getByRole('alertdialog', { name: 'Are you still there?' }).waitFor();
  await is(shop, 'The session is over: nothing was done for too long.');
  await shop.getByRole('button', { name: 'Sign in' }).waitFor();
  await visitor.logged(shop, 'warning: the session ends in').waitFor();
  await visitor.logged(shop, 'ended: nothing was done for too long (idle timeout)').waitFor();
  await visitor.logged(shop, "the shop's own server received a logout token: nothing was done for too long").waitFor();
  await visitor.lane(shop, 'Oak & Ember', 'Access token').getByText('none held here').waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('experiment 2: what is done at one site extends the session of both', async () => {
  const visitor = await demo.visitor(browser);
  const [shop, forum] = await visitor.both();
  const idle = visitor.lane(shop, 'Session', 'Idle timeout');
  await visitor.press(shop, '+1 min');
  await is(shop, 'moved ahead by');
  await idle.getByText(/^3 min/).waitFor();
  await visitor.press(forum, 'Keep the session alive');
  await idle.getByText(/^4 min/).waitFor();
  await visitor.logged(shop, 'extended: kept alive until').waitFor();
  await visitor.logged(shop, 'forum: session kept alive').waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('experiment 3: who signs out at one site is signed out at both', async () => {
  const visitor = await demo.visitor(browser);
  const [shop, forum] = await visitor.both();
  const [third] = await Promise.all([visitor.context.waitForEvent('page'), shop.getByRole('link', { name: 'Sign out at the forum' }).click()]);
  for (const page of [shop, forum]) {
    await is(page, 'The session is over: the person signed out.');
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    for (const site of ['shop', 'forum']) await visitor.logged(page, `the ${site}'s own server received a logout token: the person signed out`).waitFor();
    await visitor.layer(page, 'The Commons').getByText('told of the end: delivered (1 attempt)').waitFor();
  }
  await third.getByRole('button', { name: 'Sign in' }).waitFor();
  assert.equal(third.url(), `${demo.forum}/`);
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('experiment 4: a lowered limit bites at the next activity', async () => {
  const visitor = await demo.visitor(browser);
  const shop = await visitor.open(demo.shop);
  await visitor.signIn(shop);
  await shop.getByLabel('Idle timeout, in minutes').fill('1');
  await visitor.press(shop, 'Set');
  await visitor.lane(shop, 'Session', 'Idle timeout').getByText('5 min (1 min today)').waitFor();
  await visitor.press(shop, '+1 min');
  await is(shop, 'a lowered setting ends it at the next activity');
  await shop.getByRole('alertdialog').getByRole('button', { name: 'Stay signed in' }).click();
  await is(shop, 'The session is over: nothing was done for too long.');
  await visitor.logged(shop, 'ended: nothing was done for too long (idle timeout, as lowered since)').waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('experiment 5: a stolen refresh token ends its family, and not the session', async () => {
  const visitor = await demo.visitor(browser);
  const [, forum] = await visitor.both();
  await visitor.press(forum, 'Play the thief');
  await is(forum, 'The server answered: 400 invalid_grant, reuse_detected.');
  await is(forum, 'the server signed the forum in again');
  await visitor.logged(forum, 'forum: refresh token reused: its family ends').waitFor();
  await visitor.layer(forum, 'The Commons').getByText('generation 3: a refresh token was used twice').waitFor();
  await visitor.layer(forum, 'Session').getByText('alive; the idle timeout ends it first').waitFor();
  // A new family stands below the ended one.
  await visitor.lane(forum, 'The Commons', 'Refresh tokens').nth(1).getByText('generation 1').waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

for (const [button, words] of [
  ['As administrator', 'an administrator ended it'],
  ['By a password change', 'the password was changed'],
]) {
  test(`ending the session: ${button}`, async () => {
    const visitor = await demo.visitor(browser);
    const [shop, forum] = await visitor.both();
    await visitor.press(shop, button);
    for (const page of [shop, forum]) {
      await is(page, `The session is over: ${words}.`);
      await page.getByRole('button', { name: 'Sign in' }).waitFor();
    }
    assert.deepEqual(visitor.problems, []);
    await visitor.context.close();
  });
}

test('experiment 6: a session upstream caps the one that began with it', async () => {
  const visitor = await demo.visitor(browser);
  const shop = await visitor.open(demo.shop);
  await visitor.press(shop, 'Sensitive');
  await shop.waitForFunction(() => document.querySelector('[aria-label="Idle timeout, in minutes"]').value === '60');
  await shop.getByRole('button', { name: 'Sign in' }).click();
  await shop.getByRole('link', { name: 'Northwind ID' }).click();
  await shop.waitForURL((url) => url.port === `${demo.port + 4}`);
  await visitor.fillIn(shop);
  await shop.getByRole('button', { name: 'Sign in' }).click();
  await shop.getByRole('button', { name: 'Sign out' }).waitFor();
  await visitor.lane(shop, 'Upstream session', 'northwind').getByText(/^19 min|^20 min/).waitFor();
  await visitor.layer(shop, 'Session').getByText('alive; the expiry of the session upstream ends it first').waitFor();
  await visitor.press(shop, 'To 5 s before the next deadline');
  await is(shop, 'The session is over: the session at the identity provider ended.');
  await shop.getByRole('button', { name: 'Sign in' }).waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('an idle end spares the offline refresh token of the forum, and the site says so', async () => {
  const visitor = await demo.visitor(browser);
  const [shop, forum] = await visitor.both();
  await visitor.press(shop, '+10 min');
  await is(forum, 'This site goes on with an offline refresh token');
  await visitor.press(forum, 'Load again');
  await visitor.logged(forum, 'forum: refresh token used').waitFor();
  await is(shop, 'The session is over');
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('without tokens the site asks anew; without the cookie too it knows nobody', async () => {
  const visitor = await demo.visitor(browser);
  const shop = await visitor.open(demo.shop);
  await visitor.signIn(shop);
  await visitor.press(shop, 'Forget the tokens here');
  await shop.getByRole('button', { name: 'Sign in' }).waitFor();
  await shop.reload();
  await shop.getByRole('button', { name: 'Sign out' }).waitFor();
  await visitor.press(shop, 'Forget the tokens here');
  await visitor.press(shop, "Delete the server's cookie");
  const cookieless = async () => (await visitor.context.cookies(demo.server)).every(({ name }) => name !== `tenure_${demo.port}`);
  while (!(await cookieless())) await shop.waitForEvent('response');
  await shop.reload();
  await shop.getByRole('button', { name: 'Sign in' }).waitFor();
  await visitor.layer(shop, 'Session').getByText('alive').waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('a profile changes the limits of what begins after it', async () => {
  const visitor = await demo.visitor(browser);
  const shop = await visitor.open(demo.shop);
  await visitor.press(shop, 'Sensitive');
  await shop.waitForFunction(() => document.querySelector('[aria-label="Idle timeout, in minutes"]').value === '60');
  await visitor.signIn(shop);
  await visitor.lane(shop, 'Session', 'Idle timeout').getByText('59 min').waitFor();
  await visitor.lane(shop, 'Session', 'Absolute lifetime').getByText('7 h 59 min').waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('a deed in the page keeps the session alive where the person wants that', async () => {
  const visitor = await demo.visitor(browser);
  const shop = await visitor.open(demo.shop);
  await visitor.signIn(shop);
  await Promise.all([shop.waitForEvent('load'), shop.getByLabel('What I do in this page keeps the session alive').check()]);
  await shop.getByRole('button', { name: 'Sign out' }).waitFor();
  await visitor.press(shop, '+1 min');
  await shop.mouse.move(300, 300);
  await visitor.logged(shop, 'shop: session kept alive').waitFor();
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('it fits a phone, in the dark', async () => {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
  for (const site of [demo.shop, demo.forum]) {
    const page = await context.newPage();
    await page.goto(`${site}/`);
    await page.getByRole('heading', { name: 'Try this' }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, 'nothing sticks out');
  }
  await context.close();
});
