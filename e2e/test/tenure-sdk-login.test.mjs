// @tenure/browser in a real browser: how people sign in and come back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, client, fillIn, sdkSite, Visitor } from '../lib/tenure-sdk.mjs';

let server, shop, forum, browser;
before(async () => {
  [shop, forum] = [await sdkSite(), await sdkSite()];
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
clients:${client('shop', shop)}${client('forum', forum)}
${ada}`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
  forum?.close();
});

const visit = (options, context) => Visitor.come(browser, server, shop, 'shop', options, context);

test('a login with redirect brings the person back to where they wanted to go', async () => {
  const visitor = await visit();
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), false);
  const result = await visitor.signIn({ appState: { target: '/orders/7' } });
  assert.deepEqual(result, { appState: { target: '/orders/7' }, repeated: false });
  assert.equal(visitor.page.url(), `${shop.origin}/`, 'nothing of the answer stays in the address');
  const user = await visitor.value(() => window.client.getUser());
  assert.equal(user.email, 'ada@example.com');
  assert.equal(user.iss, undefined, 'claims of the protocol are not of the person');
  const claims = await visitor.value(() => window.client.getIdTokenClaims());
  assert.equal(claims.iss, server.issuer);
  assert.ok(await visitor.value(() => window.client.getTokenSilently()));
  await visitor.status('active');
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test('without an answer in the address, nothing is handled', async () => {
  const visitor = await visit();
  assert.equal(await visitor.value(() => window.client.handleRedirectCallback()), undefined);
  await visitor.context.close();
});
