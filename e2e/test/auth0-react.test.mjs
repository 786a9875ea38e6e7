// Auth0's React SDK, unmodified, with Tenure's dialog beside it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { movedBy, ReactSession, status } from '../lib/react-site.mjs';
import { fillIn } from '../lib/tenure-sdk.mjs';

let session;
before(async () => {
  session = await ReactSession.start('auth0-react.jsx');
});
after(() => session?.stop());

const dialog = (page) => page.getByRole('alertdialog');

test('the dialog warns at 240 s, and a token that is asked for silently is an answer to it', async () => {
  const { page, context, problems } = await session.signedIn('/orders');
  await session.pass(page, 241);
  await page.getByRole('alertdialog', { name: 'Are you still there?' }).waitFor();
  const moved = await movedBy(page, async () => {
    await page.getByRole('button', { name: 'Stay signed in' }).click();
    await page.getByRole('alertdialog').waitFor({ state: 'hidden' });
  });
  assert.ok(moved >= 230, `${moved} s more`);
  assert.deepEqual(problems, []);
  await context.close();
});

test('at the end there is the button; it leads to the login page and back', async () => {
  const { page, context } = await session.signedIn('/orders');
  await session.pass(page, 241);
  await dialog(page).waitFor();
  await session.pass(page, 60);
  await page.getByRole('alertdialog', { name: 'You are signed out' }).waitFor();
  await dialog(page).getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/authorize\?/);
  await fillIn(page);
  await page.waitForURL(`${session.site.origin}/orders`);
  await status(page, 'active');
  assert.equal(await dialog(page).isVisible(), false);
  await context.close();
});

test('Sign out ends the session', async () => {
  const { page, context } = await session.signedIn('/orders');
  await session.pass(page, 241);
  await dialog(page).getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/authorize\?/);
  await page.getByLabel('Password').waitFor();
  await context.close();
});

test('asking for the status renews nothing: an idle page with the dialog goes idle', async () => {
  const { page, context } = await session.signedIn('/orders?atEnd=nothing');
  const requests = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  for (let minutes = 1; minutes < 5; minutes += 1) {
    await session.pass(page, 60);
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
  }
  await session.pass(page, 61);
  await status(page, 'ended');
  assert.ok(requests.includes('/session/status'));
  assert.deepEqual(requests.filter((path) => path === '/authorize' || path === '/oauth/token' || path === '/session/extend'), []);
  assert.equal(await dialog(page).isVisible(), false);
  await context.close();
});
