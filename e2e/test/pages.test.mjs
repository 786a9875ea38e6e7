// The pages in a real browser: keyboard, labels, phone and dark; each screenshot is kept for looking at.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';

const shots = new URL('../../target/screenshots/', import.meta.url).pathname;
mkdirSync(shots, { recursive: true });

let server, browser;
before(async () => {
  server = await Server.start(`
tenant: {friendly_name: Acme Outdoor, support_email: help@acme.example, allowed_logout_urls: []}
clients:
  - {client_id: third, client_secret: s, name: Trail Planner, is_first_party: false, callbacks: ["http://localhost:3003/cb"]}
users:
  - {email: ada@example.com, name: Ada, email_verified: true, password: correct horse}
`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const request = () =>
  `${server.base}/authorize?client_id=third&redirect_uri=${encodeURIComponent('http://localhost:3003/cb')}&response_type=code&scope=openid+email+profile+offline_access&state=s`;

const looks = [
  ['desktop', { viewport: { width: 1100, height: 800 }, colorScheme: 'light' }],
  ['phone-dark', { viewport: { width: 390, height: 780 }, colorScheme: 'dark' }],
];

for (const [look, options] of looks) {
  test(`login, consent, logout and errors, ${look}`, async () => {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const shot = (name) => page.screenshot({ path: `${shots}${name}-${look}.png` });
    const refused = [];
    page.on('console', (message) => { if (message.type() === 'error') refused.push(message.text()); });
    await page.goto(request());
    assert.equal(await page.title(), 'Sign in · Acme Outdoor');
    await shot('login');
    // By keyboard alone: the name has the focus, then the password, then the button.
    await page.keyboard.type('ada@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await shot('login-wrong');
    await page.getByLabel('Password').fill('correct horse');
    await page.keyboard.press('Enter');
    await page.getByText('Trail Planner').waitFor();
    await shot('consent');
    await page.goto(`${server.base}/oidc/logout`);
    await page.getByRole('heading', { name: 'Do you want to sign out?' }).waitFor();
    await shot('logout-question');
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    await shot('signed-out');
    await page.goto(`${server.base}/authorize?client_id=third&redirect_uri=https://elsewhere.example`);
    await page.getByText('callbacks').waitFor();
    await shot('error');
    await page.goto(`${request()}&ui_locales=de`);
    assert.equal(await page.locator('html').getAttribute('lang'), 'de');
    await shot('login-german');
    // Statuses 4xx are reported on the console; anything else there (a blocked style, a script) is ours.
    assert.deepEqual(refused.filter((text) => !text.includes('status of 4')), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    assert.equal(overflow, false, 'nothing sticks out sideways');
    await context.close();
  });
}

test('every field has a label and every page one heading and a language', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(request());
  const unnamed = await page.evaluate(() => [...document.querySelectorAll('input:not([type=hidden])')].filter((i) => !i.labels?.length).length);
  assert.equal(unnamed, 0);
  assert.equal(await page.locator('h1').count(), 1);
  assert.equal(await page.locator('main').count(), 1);
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
});

test('the login page cannot be framed', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${server.base}/healthz`);
  await page.setContent(`<iframe src="${request()}"></iframe>`);
  await page.waitForTimeout(300);
  const inside = page.frames().find((frame) => frame !== page.mainFrame());
  assert.equal(await inside.locator('form').count(), 0);
});
