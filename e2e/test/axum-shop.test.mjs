// The example shop in a real browser: four configurations of the application session.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Shop } from '../lib/shop.mjs';
import { launch } from '../lib/sites.mjs';

const shots = new URL('../../target/screenshots/', import.meta.url).pathname;
mkdirSync(shots, { recursive: true });

let shop, browser;
before(async () => {
  shop = await Shop.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await shop?.stop();
});

async function signIn(page, url) {
  await page.goto(`${url}/`);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await fillIn(page);
  await page.waitForURL(`${url}/`);
  await page.getByText('Hello, Ada Lovelace').waitFor();
}

async function fillIn(page) {
  await page.locator('input[name=username]').fill('ada@example.com');
  await page.getByLabel('Password').fill('correct horse');
  await page.keyboard.press('Enter');
}

const visitor = async (options) => {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(8000);
  return page;
};

// A visitor whose pages' clock goes with the shop's.
async function timed(options) {
  const context = await browser.newContext(options);
  await context.clock.install({ time: Date.now() });
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  return page;
}

async function pass(seconds, page) {
  await shop.advance(seconds);
  await page.context().clock.fastForward(seconds * 1000);
}

test('a customer is logged out after one minute of inactivity', async () => {
  const page = await timed({ viewport: { width: 900, height: 800 } });
  const url = shop.urls.inactivity;
  await signIn(page, url);
  await page.getByText(/at .*:.*, by rolling duration/).waitFor();
  await page.screenshot({ path: `${shots}shop-signed-in.png` });
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  // Whoever shops is left alone, also past the provider's minute.
  for (let n = 1; n <= 3; n += 1) {
    await pass(50, page);
    await page.getByRole('button', { name: 'Add boots to the cart' }).click();
    await page.getByText(`${n} items`).waitFor();
  }
  await page.getByText(/at .*:.*, by rolling duration/).waitFor();
  await pass(50, page);
  // The page asks by itself, and that is no activity.
  await page.getByText(/in \d+ seconds, by rolling duration/).waitFor();
  await page.screenshot({ path: `${shots}shop-warning.png` });
  await pass(11, page);
  const alert = page.getByRole('alert');
  await alert.getByText('Nothing happened for a while.').waitFor();
  await page.screenshot({ path: `${shots}shop-idle.png` });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Sign in again');
  assert.ok(asked.includes('/session/status'));
  assert.ok(!asked.includes('/session/events'), 'there is no stream to ask for');
  await page.reload();
  await page.getByText('You were signed out because nothing happened').waitFor();
  await page.screenshot({ path: `${shots}shop-idle-reloaded.png` });
  // The provider's session is over as well: it asks for the password.
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByLabel('Password').waitFor();
  await page.context().close();
});

test('who is warned stays by a click, whether the session lives in a store or in cookies', async () => {
  for (const [name, idle] of [['inactivity', 60], ['local-logout', 86_400]]) {
    const page = await timed();
    await signIn(page, shop.urls[name]);
    await page.getByText(/at .*:.*, by rolling duration/).waitFor();
    await pass(idle - 20, page);
    await page.getByText(/in \d+ seconds, by rolling duration/).waitFor();
    await page.getByRole('button', { name: 'Stay signed in' }).click();
    await page.getByText(/at .*:.*, by rolling duration/).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Stay signed in' }).isVisible(), false);
    await pass(idle - 20, page);
    await page.getByText(/in \d+ seconds, by rolling duration/).waitFor();
    await page.reload();
    await page.getByText('Hello, Ada Lovelace').waitFor();
    await page.context().close();
  }
});

test('a tab hears of a sign-out in another one, and of the next sign-in, which is another session', async () => {
  const first = await timed();
  const url = shop.urls['local-logout'];
  await signIn(first, url);
  await first.getByText(/at .*:.*, by rolling duration/).waitFor();
  const second = await first.context().newPage();
  await second.goto(`${url}/`);
  await second.getByRole('button', { name: 'Sign out' }).click();
  await second.getByText('Nobody is signed in').waitFor();
  await pass(5, first);
  await first.evaluate(() => dispatchEvent(new Event('focus')));
  await first.getByRole('alert').getByText('You are signed out').waitFor();
  // The provider's session went on, so it is the same sid there.
  await second.getByRole('link', { name: 'Sign in' }).click();
  await second.getByText('Hello, Ada Lovelace').waitFor();
  await first.getByText('Hello, Ada Lovelace').waitFor();
  await first.getByText(/at .*:.*, by rolling duration/).waitFor();
  await first.getByRole('alert').waitFor({ state: 'hidden' });
  await first.context().close();
});

test('a local logout leaves the provider alone, and idp_logout does not', async () => {
  const page = await visitor();
  await signIn(page, shop.urls['local-logout']);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('Nobody is signed in').waitFor();
  // The other shop needs no password.
  await page.goto(`${shop.urls['idp-logout']}/login`);
  await page.getByText('Hello, Ada Lovelace').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('Nobody is signed in').waitFor();
  assert.equal(page.url(), `${shop.urls['idp-logout']}/`);
  await page.goto(`${shop.urls['local-logout']}/login`);
  await page.getByLabel('Password').waitFor();
  await page.context().close();
});

test('the access token is renewed, and the session lives in cookies', async () => {
  const page = await visitor();
  await signIn(page, shop.urls['refresh-tokens']);
  await shop.advance(90);
  await page.reload();
  await page.getByText('current', { exact: true }).waitFor();
  const cookies = await page.context().cookies(shop.urls['refresh-tokens']);
  const ours = cookies.filter((cookie) => cookie.name.startsWith('appSession_'));
  assert.ok(ours.length >= 1 && ours.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Lax'), JSON.stringify(ours));
  await page.context().close();
});

test('paying needs the password that was typed within five minutes', async () => {
  const page = await visitor({ viewport: { width: 390, height: 780 }, colorScheme: 'dark' });
  await signIn(page, shop.urls['idp-logout']);
  await page.getByRole('link', { name: 'Pay' }).click();
  await page.getByText('Thank you, Ada Lovelace').waitFor();
  await shop.advance(301);
  await page.goto(`${shop.urls['idp-logout']}/pay`);
  await fillIn(page);
  await page.getByText('Thank you, Ada Lovelace').waitFor();
  await page.screenshot({ path: `${shots}shop-paid-dark.png` });
  await page.context().close();
});

test('another site signs nobody out: the person is asked', async () => {
  const page = await visitor({ viewport: { width: 900, height: 600 } });
  const url = shop.urls['idp-logout'];
  await signIn(page, url);
  // 127.0.0.1 is another site than localhost.
  await page.goto(`${shop.server.base.replace('localhost', '127.0.0.1')}/healthz`);
  await page.setContent(`<a href="${url}/logout">win a prize</a>`);
  await page.getByRole('link').click();
  await page.getByRole('heading', { name: 'Do you want to sign out?' }).waitFor();
  await page.screenshot({ path: `${shots}shop-logout-question.png` });
  await page.getByRole('link', { name: 'No, stay signed in' }).click();
  await page.getByText('Hello, Ada Lovelace').waitFor();
  await page.goto(`${shop.server.base.replace('localhost', '127.0.0.1')}/healthz`);
  await page.setContent(`<a href="${url}/logout">win a prize</a>`);
  await page.getByRole('link').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('Nobody is signed in').waitFor();
  await page.context().close();
});
