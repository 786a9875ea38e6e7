// @tenure/react in a real browser: a site with the profile short-lived warns at 240 s, for 60 s.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freePort, Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, client, fillIn } from '../lib/tenure-sdk.mjs';
import { reactSite } from '../lib/react-site.mjs';

let server, shop, browser;
before(async () => {
  const settings = {};
  shop = await reactSite('tenure-react.jsx', settings);
  server = await Server.start(`
tenant: {profile: short-lived, session_lifetime_in_minutes: 480}
clients:${client('shop', shop, '    profile: short-lived')}${client('club', shop, '    is_first_party: false')}
${ada}`);
  settings.issuer = server.issuer;
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
});

const who = (page, name) => page.waitForFunction((wanted) => document.getElementById('who')?.textContent === wanted, name);
const status = (page, wanted) => page.waitForFunction((one) => document.getElementById('status')?.textContent === one, wanted);
const dialog = (page) => page.getByRole('alertdialog');

// Comes to a page of the site, and is sent to the login page. The page's clock can be moved.
async function visit(path, { context } = {}) {
  context ??= await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.clock.install();
  await page.goto(`${shop.origin}${path}`);
  return { context, page, problems };
}

async function signedIn(path, options) {
  const visitor = await visit(path, options);
  await visitor.page.waitForURL(/\/authorize\?/);
  await fillIn(visitor.page);
  await who(visitor.page, 'Ada');
  await status(visitor.page, 'active');
  return visitor;
}

// Time goes by: at the server, and in the page.
async function pass(page, seconds) {
  await server.advance(seconds);
  await page.clock.fastForward(seconds * 1000);
}

test('RequireAuth sends a stranger to the login page and back to where they wanted to go', async () => {
  const { page, context, problems } = await signedIn('/orders?from=mail#7');
  assert.equal(page.url(), `${shop.origin}/orders?from=mail#7`);
  await page.getByRole('heading', { name: 'Order 7' }).waitFor();
  assert.deepEqual(problems, []);
  await context.close();
});

test('the dialog warns at 240 s, counts down, and Stay signed in gives five more minutes', async () => {
  const { page, context, problems } = await signedIn('/orders');
  await pass(page, 238);
  assert.equal(await dialog(page).isVisible(), false);
  await pass(page, 3);
  await dialog(page).waitFor();
  const shown = await page.getByRole('timer').textContent();
  assert.match(shown, /^You will be signed out in (59|58|57) seconds\.$/);
  await dialog(page).getByRole('button', { name: 'Stay signed in' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
  await status(page, 'active');
  const left = await page.evaluate(() => Math.round((window.client.monitor.state.endsAt - Date.now()) / 1000));
  assert.ok(left > 290 && left <= 301, `${left} s left`);
  assert.deepEqual(problems, []);
  await context.close();
});
