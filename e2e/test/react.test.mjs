// Auth0's React SDK, unmodified, in an application that is bundled as any other.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';
import { ada, client, fillIn } from '../lib/visit.mjs';

let server, shop, browser;
before(async () => {
  const bundled = await build({
    entryPoints: [fileURLToPath(new URL('../pages/react-app.mjs', import.meta.url))],
    bundle: true, write: false, format: 'iife', define: { 'process.env.NODE_ENV': '"production"' },
  });
  shop = await site({ script: bundled.outputFiles[0].text });
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 1, session_lifetime_in_minutes: 2}
clients:${client('shop', shop)}
${ada}
`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
});

async function visit(settings = {}) {
  const context = await browser.newContext();
  await context.addInitScript((given) => { window.settings = given; }, { domain: server.base, clientId: 'shop', ...settings });
  const page = await context.newPage();
  await page.goto(shop.origin);
  return page;
}

async function signedIn(settings) {
  const page = await visit(settings);
  await page.getByRole('button', { name: 'Log in' }).click();
  await fillIn(page);
  await page.getByText('Hello Ada').waitFor();
  return page;
}

test('B1: React: login, a reload that stays signed in, E1: logout', async () => {
  const page = await signedIn();
  assert.equal(new URL(page.url()).search, '', 'the code has left the address');
  await page.reload();
  await page.getByText('Hello Ada').waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  const error = await page.evaluate(() => window.auth.getAccessTokenSilently().then(() => null, (failed) => failed.error));
  assert.equal(error, 'login_required');
  await page.context().close();
});

test('B5: React: cancelling is shown as an error', async () => {
  const page = await visit();
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('alert').getByText('access_denied').waitFor();
  await page.context().close();
});

test('F1: React: session_expiry shows at the next call for a token', async () => {
  const page = await signedIn({ useRefreshTokens: true });
  const ceiling = await page.evaluate(() => window.auth.getIdTokenClaims().then((claims) => claims.session_expiry));
  await page.clock.setFixedTime((ceiling - 29) * 1_000);
  const token = await page.evaluate(() => window.auth.getAccessTokenSilently());
  assert.equal(token, undefined);
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  await page.context().close();
});
