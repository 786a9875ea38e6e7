// Signing out of an application that was reached through another provider: row E3 with Auth0's SPA SDK,
// unmodified, and what people see.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { foreignProvider, signInThere } from '../lib/foreign.mjs';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';

const shots = new URL('../../target/screenshots/', import.meta.url).pathname;
mkdirSync(shots, { recursive: true });

let up, down, foreign, shop, browser;
before(async () => {
  shop = await site();
  down = await Server.start('tenant: {friendly_name: Acme Outdoor}', { manualClock: false });
  foreign = await foreignProvider(down.base);
  up = await Server.start(`
tenant: {friendly_name: Corp}
clients:
  - {client_id: down, client_secret: s, name: Acme Outdoor, callbacks: ["${down.base}/login/callback"], allowed_logout_urls: ["${down.base}/logout/callback"]}
users:
  - {email: ada@corp.example, name: Ada, email_verified: true, password: correct horse}
`, { manualClock: false });
  down.apply(`
clients:
  - {client_id: shop, name: Shop, app_type: spa, callbacks: ["${shop.origin}"], web_origins: ["${shop.origin}"], allowed_logout_urls: ["${shop.origin}"]}
connections:
  - name: corp
    display_name: Corp
    strategy: oidc
    options: {issuer: "${up.issuer}", client_id: down, client_secret: s, domain_aliases: [corp.example]}${foreign.connection('foreign', 'Foreign Provider')}
`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  shop?.close();
  await Promise.all([up?.stop(), down?.stop(), foreign?.stop()]);
});

const signInAtCorp = async (page) => {
  await page.getByLabel('E-mail address or user name').fill('ada@corp.example');
  await page.getByLabel('Password').fill('correct horse');
  await page.keyboard.press('Enter');
};

// The single-page application with the SDK, which goes straight to a connection.
async function open(connection, context) {
  context ??= await browser.newContext({ viewport: { width: 1100, height: 900 } });
  const page = await context.newPage();
  const refused = [];
  page.on('console', (message) => { if (/Security Policy/.test(message.text())) refused.push(message.text()); });
  await page.goto(shop.origin);
  const ready = () => page.evaluate(async ([domain, connection]) => {
    const authorizationParams = { redirect_uri: location.origin, connection };
    window.client = await window.auth0.createAuth0Client({ domain, clientId: 'shop', authorizationParams });
  }, [down.base, connection]);
  await ready();
  const leave = () => page.evaluate(() => { void window.client.loginWithRedirect(); });
  const arrive = async () => {
    await page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
    await ready();
    await page.evaluate(() => window.client.handleRedirectCallback());
    return page.evaluate(() => window.client.getUser());
  };
  const signOut = (logoutParams) =>
    page.evaluate((params) => { void window.client.logout({ logoutParams: params }); }, logoutParams);
  return { page, context, refused, ready, leave, arrive, signOut };
}

test('E3: a federated logout of the SPA SDK ends the session here and at the provider, and comes back', async () => {
  const app = await open('corp');
  await app.leave();
  await signInAtCorp(app.page);
  assert.equal((await app.arrive()).email, 'ada@corp.example');
  const visited = [];
  app.page.on('request', (request) => { if (request.isNavigationRequest()) visited.push(request.url()); });
  await app.signOut({ returnTo: shop.origin, federated: true });
  await app.page.waitForURL(`${shop.origin}/`);
  const at = (prefix) => visited.findIndex((url) => url.startsWith(prefix));
  const order = [`${down.base}/v2/logout?`, `${up.base}/oidc/logout?`, `${down.base}/logout/callback?`, `${shop.origin}/`].map(at);
  assert.ok(order.every((place, n) => place >= 0 && (n === 0 || place > order[n - 1])), `${visited}`);
  // Neither of them lets the person in again without a word.
  for (const server of [up, down]) {
    const [session] = JSON.parse(server.command('session', 'list', '--all', '--json'));
    assert.equal(session.end.reason, 'user_logout', JSON.stringify(session));
  }
  assert.deepEqual(app.refused, []);
});

test('E3: the same at a foreign provider that asks first, by a form of its own', async () => {
  const app = await open('foreign');
  await app.leave();
  await signInThere(app.page);
  assert.equal((await app.arrive()).email, 'grace@foreign.example');
  await app.signOut({ returnTo: shop.origin, federated: true });
  await app.page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await app.page.waitForURL(`${shop.origin}/`);
  await app.ready();
  await app.leave();
  await app.page.locator('input[name=login]').waitFor();
  assert.deepEqual(app.refused, []);
});

test('after a logout, a link of another site is asked about, and the SPA SDK still goes there and back', async () => {
  const app = await open('corp');
  await app.leave();
  await signInAtCorp(app.page);
  await app.arrive();
  await app.signOut({ returnTo: shop.origin });
  await app.page.waitForURL(`${shop.origin}/`);
  // The same server by another name is another site.
  await app.page.goto(shop.origin.replace('localhost', '127.0.0.1'));
  const link = `${down.base}/v2/logout?client_id=shop&returnTo=${encodeURIComponent(shop.origin)}&federated`;
  await app.page.evaluate((to) => { location.href = to; }, link);
  await app.page.getByRole('button', { name: 'Sign out of Corp as well' }).waitFor();
  await app.page.screenshot({ path: `${shots}signed-out-link-of-another-site.png` });
  // The application itself, unmodified.
  await app.page.goto(shop.origin);
  await app.ready();
  const back = app.page.waitForRequest((request) => request.url().startsWith(`${down.base}/logout/callback?`));
  await app.signOut({ returnTo: shop.origin, federated: true });
  await back;
  await app.page.waitForURL(`${shop.origin}/`);
  assert.deepEqual(app.refused, []);
});

for (const [look, options] of [
  ['desktop', { viewport: { width: 1100, height: 900 }, colorScheme: 'light' }],
  ['phone-dark', { viewport: { width: 390, height: 900 }, colorScheme: 'dark', locale: 'de-DE' }],
]) {
  test(`without federated, the landing page offers to sign out there as well, ${look}`, async () => {
    const app = await open('corp', await browser.newContext(options));
    await app.leave();
    await app.page.locator('#username').fill('ada@corp.example');
    await app.page.locator('#password').fill('correct horse');
    await app.page.keyboard.press('Enter');
    await app.arrive();
    await app.page.goto(`${down.base}/v2/logout`);
    const button = app.page.getByRole('button', { name: /Sign out of Corp as well|Auch bei Corp abmelden/ });
    await button.waitFor();
    await app.page.screenshot({ path: `${shots}signed-out-upstream-${look}.png` });
    await button.click();
    await app.page.waitForURL(/\/logout\/callback\?/);
    await app.page.getByRole('heading', { name: /You are signed out|Sie sind abgemeldet/ }).waitFor();
    assert.equal(await button.count(), 0);
    assert.deepEqual(app.refused, []);
  });
}

for (const [connection, signIn, asks] of [
  ['corp', signInAtCorp, (page) => page.getByLabel('Password')],
  ['foreign', signInThere, (page) => page.locator('input[name=login]')],
]) {
  test(`logging out visibly works: ${connection} asks again although its session is alive`, async () => {
    const app = await open(connection);
    await app.leave();
    await signIn(app.page);
    await app.arrive();
    const silently = () => app.page.evaluate(async () => {
      try {
        return { token: await window.client.getTokenSilently({ cacheMode: 'off' }) };
      } catch (error) {
        return { error: error.error };
      }
    });
    assert.ok((await silently()).token);
    await app.signOut({ returnTo: shop.origin });
    await app.page.waitForURL(`${shop.origin}/`);
    await app.ready();
    assert.deepEqual(await silently(), { error: 'login_required' });
    await app.leave();
    await asks(app.page).waitFor();
    // Once: who signs in now is signed in again as silently as ever.
    await signIn(app.page, { again: true });
    await app.arrive();
    await app.context.clearCookies({ name: `tenure_${down.port}` });
    await app.page.goto(shop.origin);
    await app.ready();
    await app.leave();
    await app.arrive();
    assert.deepEqual(app.refused, []);
  });
}
