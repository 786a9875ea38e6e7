// @tenure/react in a real browser: a site with the profile short-lived warns at 240 s, for 60 s.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { movedBy, ReactSession, status, who } from '../lib/react-site.mjs';
import { fillIn } from '../lib/tenure-sdk.mjs';

let session;
before(async () => {
  // Playwright turns the back/forward cache off.
  session = await ReactSession.start('tenure-react.jsx', { browser: { ignoreDefaultArgs: ['--disable-back-forward-cache'] } });
});
after(() => session?.stop());

const visit = (path, options) => session.visit(path, options);
const signedIn = (path, options) => session.signedIn(path, options);
const pass = (page, seconds) => session.pass(page, seconds);
const dialog = (page) => page.getByRole('alertdialog');

test('RequireAuth sends a stranger to the login page and back to where they wanted to go', async () => {
  const { page, context, problems } = await signedIn('/orders?from=mail#7');
  assert.equal(page.url(), `${session.site.origin}/orders?from=mail#7`);
  await page.getByRole('heading', { name: 'Order 7' }).waitFor();
  assert.deepEqual(problems, []);
  await context.close();
});

test('the dialog warns at 240 s, counts down, and Stay signed in gives five more minutes', async () => {
  const { page, context, problems } = await signedIn('/orders');
  await pass(page, 200);
  assert.equal(await dialog(page).isVisible(), false);
  await pass(page, 41);
  await dialog(page).waitFor();
  const [warning] = await page.evaluate(() => window.heard);
  assert.equal(warning.name, 'warning');
  assert.ok(warning.secondsLeft > 0 && warning.secondsLeft <= 60, `${warning.secondsLeft} s left`);
  // Read in one go, since time goes by.
  const read = () => page.evaluate(() => [document.querySelector('[role=timer]').textContent, window.client.monitor.state.secondsLeft]);
  const [shown, left] = await read();
  assert.equal(shown, `You will be signed out in ${left} seconds.`);
  await page.clock.runFor(2_000);
  const [later, less] = await read();
  assert.equal(later, `You will be signed out in ${less} seconds.`);
  assert.ok(less < left, `${less} ${left}`);
  const moved = await movedBy(page, async () => {
    await dialog(page).getByRole('button', { name: 'Stay signed in' }).click();
    await dialog(page).waitFor({ state: 'hidden' });
    await status(page, 'active');
  });
  assert.ok(moved >= 230, `${moved} s more`);
  assert.deepEqual(problems, []);
  await context.close();
});

const focused = (page) => page.evaluate(() => {
  const { activeElement: at } = document;
  return at === document.body ? 'body' : `${at.closest('dialog') ? 'dialog' : 'page'}: ${at.textContent}`;
});

// Names of all buttons that a screen reader finds.
async function accessible(page) {
  const devtools = await page.context().newCDPSession(page);
  const { nodes } = await devtools.send('Accessibility.getFullAXTree');
  return nodes.filter(({ ignored, role }) => !ignored && role?.value === 'button').map(({ name }) => name.value);
}

test('the dialog has a name and a description, keeps the focus, and gives it back', async () => {
  const { page, context } = await signedIn('/orders');
  await page.getByLabel('Note').fill('three of them');
  await pass(page, 241);
  await page.getByRole('alertdialog', { name: 'Are you still there?', description: /^You will be signed out in \d\d seconds\.$/ }).waitFor();
  assert.equal(await focused(page), 'dialog: Stay signed in');
  // The browser's own controls come after the last button; what lies behind the dialog never does.
  for (let presses = 0; presses < 6; presses += 1) {
    await page.keyboard.press('Tab');
    assert.match(await focused(page), /^(body|dialog: .*)$/);
  }
  const names = await accessible(page);
  assert.ok(names.includes('Stay signed in') && !names.includes('Send'), 'what lies behind is hidden from screen readers too');
  const send = await page.locator('main button').boundingBox();
  await page.mouse.click(send.x + 3, send.y + 3);
  assert.equal(await page.evaluate(() => window.clicked), undefined);
  const extensions = [];
  page.on('request', (request) => request.method() === 'POST' && request.url().endsWith('/session/extend') && extensions.push(request));
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'hidden' });
  await status(page, 'active');
  assert.equal(extensions.length, 1, 'Escape means stay');
  assert.equal(await page.evaluate(() => document.activeElement.value), 'three of them');
  await context.close();
});

test('a screen reader hears what is left at a few instants, not each second', async () => {
  const { page, context } = await signedIn('/orders');
  await pass(page, 241);
  await dialog(page).waitFor();
  await page.evaluate(() => {
    window.spoken = [];
    window.ticks = [];
    const watch = (role, heard) => {
      const element = document.querySelector(`dialog [role=${role}]`);
      new MutationObserver(() => heard.push(element.textContent)).observe(element, { childList: true, characterData: true, subtree: true });
    };
    watch('status', window.spoken);
    watch('timer', window.ticks);
  });
  // A slow machine may miss a second here and there; what is spoken is what was shown at the instant.
  const left = () => page.evaluate(() => window.client.monitor.state.secondsLeft);
  while ((await left()) > 5) {
    await session.server.advance(1);
    await page.clock.runFor(1000);
  }
  const { spoken, ticks } = await page.evaluate(() => ({ spoken: window.spoken, ticks: window.ticks }));
  const first = (most) => ticks.find((text) => Number(text.match(/\d+/)[0]) <= most);
  assert.deepEqual(spoken, [first(30), first(10)]);
  assert.ok(ticks.length > 2 * spoken.length, ticks.join());
  await context.close();
});

test('at the end nothing private is left, Escape changes nothing, and the button signs in again', async () => {
  const { page, context, problems } = await signedIn('/orders?from=mail');
  await pass(page, 241);
  await dialog(page).waitFor();
  await pass(page, 60);
  await page.getByRole('alertdialog', { name: 'You are signed out', description: 'You were away for a while.' }).waitFor();
  assert.equal(await page.getByRole('heading', { name: 'Order 7', includeHidden: true }).count(), 0);
  for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('Escape');
  assert.equal(await focused(page), 'dialog: Sign in');
  assert.match(page.url(), /\/orders/, 'nobody was sent away');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/authorize\?/);
  await fillIn(page);
  await page.getByRole('heading', { name: 'Order 7' }).waitFor();
  assert.equal(page.url(), `${session.site.origin}/orders?from=mail`);
  assert.equal(await dialog(page).isVisible(), false);
  assert.deepEqual(problems, []);
  await context.close();
});

test('Sign out in the dialog ends the session at the server', async () => {
  const { page, context } = await signedIn('/orders');
  await pass(page, 241);
  await dialog(page).getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/authorize\?/);
  await page.getByLabel('Password').waitFor();
  await context.close();
});

// A public page of the site, where somebody signs in in a window.
async function signedInOnPublicPage(path, options) {
  const visitor = await visit(path, options);
  await who(visitor.page, 'nobody');
  await popup(visitor.page, () => visitor.page.evaluate(() => window.client.loginWithPopup()));
  await status(visitor.page, 'active');
  return visitor;
}

async function popup(page, open, user) {
  const opened = page.context().waitForEvent('page');
  const done = open();
  await fillIn(await opened, user);
  await done;
}

const atTheEnd = async (page) => {
  await pass(page, 301);
  await status(page, 'ended');
};
const comeBack = (page) => page.evaluate(() => void window.dispatchEvent(new Event('focus')));

test('atEnd nothing: no dialog until the person comes back; then a sign-in elsewhere goes on, and nobody gets the button', async () => {
  const { page, context } = await signedInOnPublicPage('/public?atEnd=nothing');
  await atTheEnd(page);
  assert.equal(await dialog(page).isVisible(), false);
  // They sign in again in another tab of the same browser.
  const other = await visit('/orders', { context });
  await other.page.waitForURL(/\/authorize\?/);
  await fillIn(other.page);
  await who(other.page, 'Ada');
  await comeBack(page);
  await status(page, 'active');
  await who(page, 'Ada');
  await other.page.close();

  await atTheEnd(page);
  assert.equal(await dialog(page).isVisible(), false);
  await comeBack(page);
  await dialog(page).getByRole('button', { name: 'Sign in' }).waitFor();
  await context.close();
});

test('atEnd goTo: the page gives way to a landing page, once', async () => {
  const { page, context, problems } = await signedIn('/orders?goTo=/bye');
  await pass(page, 301);
  await page.waitForURL(`${session.site.origin}/bye`);
  await page.getByText('Public').waitFor();
  await who(page, 'nobody');
  assert.equal(await dialog(page).isVisible(), false);
  assert.deepEqual(problems, []);
  await context.close();
});

test('what was typed is there again when the same person signs in, and gone for another one', async () => {
  const { page, context } = await signedIn('/orders?private=hide&popup');
  await page.getByLabel('Note').fill('three of them');
  await atTheEnd(page);
  await dialog(page).waitFor();
  assert.equal(await page.getByLabel('Note').isVisible(), false, 'hidden meanwhile');
  await popup(page, () => dialog(page).getByRole('button', { name: 'Sign in' }).click());
  await who(page, 'Ada');
  await dialog(page).waitFor({ state: 'hidden' });
  assert.equal(await page.getByLabel('Note').inputValue(), 'three of them');

  await atTheEnd(page);
  await popup(page, () => dialog(page).getByRole('button', { name: 'Sign in' }).click(), 'bob@example.com');
  await who(page, 'Bob');
  assert.equal(await page.getByLabel('Note').inputValue(), '');
  await context.close();
});

test('without a network the dialog stays and says so; when it is back, staying works', async () => {
  const { page, context } = await signedIn('/orders');
  await pass(page, 241);
  await dialog(page).waitFor();
  await context.setOffline(true);
  await page.keyboard.press('Escape');
  await dialog(page).getByRole('alert').waitFor();
  assert.match(await dialog(page).getByRole('alert').textContent(), /cannot be reached/);
  await context.setOffline(false);
  await dialog(page).getByRole('button', { name: 'Stay signed in' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
  await status(page, 'active');
  await context.close();
});

test('near the absolute deadline nothing can be extended: the dialog says so, and can be put aside until the end', async () => {
  session.server.apply(session.tenant({ absolute: 4 }));
  const { page, context } = await signedIn('/orders');
  session.server.apply(session.tenant());
  await pass(page, 181);
  await page.getByRole('alertdialog', { name: 'Your session ends soon', description: /longest duration/ }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Stay signed in' }).count(), 0);
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'hidden' });
  await status(page, 'warning');
  await pass(page, 60);
  await page.getByRole('alertdialog', { name: 'You are signed out', description: 'Your session reached its longest duration.' }).waitFor();
  await context.close();
});

test('an application that may not extend stays signed in by asking for a token', async () => {
  const { page, context } = await visit('/orders?client=club');
  await page.waitForURL(/\/authorize\?/);
  await fillIn(page);
  await page.getByRole('button', { name: 'Allow', exact: true }).click();
  await status(page, 'active');
  await pass(page, 241);
  await dialog(page).getByRole('button', { name: 'Stay signed in' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
  await status(page, 'active');
  await context.close();
});

test('a cancelled login, or a server that cannot be reached, is an error with a button, not a circle', async () => {
  const { page, context } = await visit('/orders');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The sign-in did not succeed.').waitFor();
  assert.equal(await page.locator('#error').textContent(), 'access_denied');
  assert.equal(new URL(page.url()).search, '');
  await context.route(/openid-configuration|authorize/, (route) => route.abort());
  await page.reload();
  await page.getByText('The sign-in did not succeed.').waitFor();
  assert.equal(await page.locator('#error').textContent(), 'network');
  const renders = () => page.evaluate(() => window.seen.length);
  const before = await renders();
  await page.getByRole('button', { name: 'Sign in' }).click();
  while ((await renders()) === before) await page.waitForTimeout(20);
  await context.unroute(/openid-configuration|authorize/);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/authorize\?/);
  await context.close();
});

test('whoever stops the way to the login page can go there again', async () => {
  const { page, context } = await visit('/orders');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The sign-in did not succeed.').waitFor();
  // As the browser's button to stop: the page stays.
  await context.route(/\/authorize/, (route) => route.abort('aborted'), { times: 1 });
  const stopped = page.waitForEvent('requestfailed');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await stopped;
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/authorize\?/);
  await context.close();
});

test('mounted twice, it handles the answer once, watches once, and renders nothing private before it knows whose it is', async () => {
  const visitor = await visit('/orders');
  const { page, context } = visitor;
  await page.waitForURL(/\/authorize\?/);
  assert.equal(visitor.rendered, 0);
  const requests = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  const stream = page.waitForRequest(/\/session\/events$/);
  await fillIn(page);
  await who(page, 'Ada');
  await status(page, 'active');
  await stream;
  const count = (path) => requests.filter((one) => one === path).length;
  assert.deepEqual([count('/oauth/token'), count('/session/events')], [1, 1]);
  const seen = await page.evaluate(() => window.seen);
  assert.equal(seen[0].isLoading, true);
  const [first, known] = [seen.indexOf('private'), seen.findIndex(({ isAuthenticated }) => isAuthenticated)];
  assert.ok(known > 0 && first > known, `${first} ${known}`);
  await context.close();
});

test('stored tokens of a session that is over show nothing', async () => {
  const visitor = await signedIn('/orders?cache=localstorage');
  const { page, context } = visitor;
  await page.reload();
  await who(page, 'Ada');
  await page.goto(`${session.site.origin}/plain`);
  visitor.rendered = 0;
  await session.server.advance(301);
  await page.goto(`${session.site.origin}/orders`);
  await page.waitForURL(/\/authorize\?/);
  assert.equal(visitor.rendered, 0);
  await context.close();
});

test('an answer to somebody else is an error that changes nothing, and none where the application says so', async () => {
  const { page, context } = await visit('/public?code=a&state=b');
  await who(page, 'nobody');
  assert.equal(await page.locator('#error').textContent(), 'missing_transaction');
  await page.goto(`${session.site.origin}/other?code=a&state=b`);
  await who(page, 'nobody');
  assert.equal(await page.locator('#error').textContent(), '');
  await context.close();
});

test('an application whose offline refresh token outlives the session goes on', async () => {
  const { page, context } = await signedIn('/orders?refresh');
  await atTheEnd(page);
  await who(page, 'Ada');
  assert.equal(await dialog(page).count(), 0);
  assert.equal(await page.getByRole('heading', { name: 'Order 7' }).isVisible(), true);
  await context.close();
});

test('a clock that always runs, and a page that stays in sight when the session ends', async () => {
  const { page, context } = await signedIn('/orders?clock&quiet&private=leave&atEnd=nothing');
  // Shown and true, read in one go. The page's clock stands still but for what it is moved.
  const read = () => page.evaluate(() => [Number(document.querySelector('#left').textContent), Math.ceil((window.client.monitor.state.endsAt - Date.now()) / 1000)]);
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 60_000));
  await page.clock.runFor(1_000);
  const [before, truth] = await read();
  assert.ok(before === truth || before === truth + 1, `${before} ${truth}`);
  await page.clock.runFor(10_000);
  assert.deepEqual(await read(), [before - 10, truth - 10]);
  await page.clock.resume();
  await page.getByLabel('Note').fill('three of them');
  await atTheEnd(page);
  await who(page, 'nobody');
  assert.equal(await dialog(page).count(), 0);
  assert.equal(await page.getByLabel('Note').inputValue(), 'three of them');
  await context.close();
});

// What can be seen at each change of the page, and when it comes back.
const watch = (page) => page.evaluate(() => {
  window.views = [];
  const look = () => window.views.push(document.querySelector('h1')?.checkVisibility() ? 'private' : 'nothing private');
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  addEventListener('pageshow', ({ persisted }) => {
    look();
    window.views = [`restored: ${persisted}`, ...window.views.slice(-1)];
  });
});

test('the back button shows what was there, typed words included, once the server has said that the session is alive', async () => {
  const { page, context } = await signedIn('/orders');
  await page.getByLabel('Note').fill('three of them');
  await watch(page);
  await page.goto(`${session.site.origin}/plain`);
  await page.goBack({ waitUntil: 'commit' });
  await page.getByRole('heading', { name: 'Order 7' }).waitFor();
  assert.deepEqual((await page.evaluate(() => window.views)).slice(0, 2), ['restored: true', 'nothing private']);
  assert.equal(await page.getByLabel('Note').inputValue(), 'three of them');
  await context.close();
});

test('after the end of the session the back button shows nothing private, not even for a moment', async () => {
  const { page, context } = await signedIn('/orders');
  await watch(page);
  await page.goto(`${session.site.origin}/plain`);
  await session.server.advance(301);
  await page.goBack({ waitUntil: 'commit' });
  await status(page, 'ended');
  await who(page, 'nobody');
  const [restored, ...views] = await page.evaluate(() => window.views);
  assert.equal(restored, 'restored: true');
  assert.deepEqual([...new Set(views)], ['nothing private']);
  await context.close();
});

test('nobody is caught between the login page and a page that leads there', async () => {
  const { page, context } = await visit('/public');
  await page.evaluate(() => location.assign('/orders'));
  await page.waitForURL(/\/authorize\?/);
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForURL(`${session.site.origin}/public`);
  await context.close();
});

test('a sign-out in another tab leaves a notice and no private content', async () => {
  const { page, context } = await signedIn('/orders');
  const other = await visit('/public', { context });
  await who(other.page, 'Ada');
  await other.page.getByRole('button', { name: 'Log out' }).click();
  await who(page, 'nobody');
  await status(page, 'ended');
  assert.equal(await page.getByRole('heading', { name: 'Order 7', includeHidden: true }).count(), 0);
  assert.match(page.url(), /\/orders$/);
  await dialog(page).getByRole('button', { name: 'Sign in' }).waitFor();
  await context.close();
});
