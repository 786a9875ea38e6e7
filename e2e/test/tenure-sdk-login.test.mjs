// @tenure/browser in a real browser: how people sign in and come back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { firstExample, pasted } from '../lib/readme.mjs';
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

test('a login that the person cancels tells why, with what the application gave along', async () => {
  const visitor = await visit();
  await visitor.page.evaluate(() => void window.client.loginWithRedirect({ appState: { target: '/x' } }));
  await visitor.page.waitForURL(/\/authorize\?/);
  await visitor.page.getByRole('button', { name: 'Cancel' }).click();
  await visitor.page.waitForURL((url) => url.searchParams.get('error') === 'access_denied');
  await visitor.ready();
  const { error } = await visitor.run(() => window.client.handleRedirectCallback());
  assert.equal(error.code, 'access_denied');
  assert.deepEqual(error.appState, { target: '/x' });
  assert.equal(new URL(visitor.page.url()).search, '');
  await visitor.context.close();
});

// Leaves for the login page and comes back, without handling the answer.
async function comeBack(visitor, options = {}) {
  await visitor.page.evaluate((asked) => void window.client.loginWithRedirect(asked), options);
  await visitor.page.waitForURL(/\/authorize\?/);
  await fillIn(visitor.page);
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
  return visitor.page.url();
}

const codesSent = (visitor) => visitor.requests.filter((request) => request === 'POST /oauth/token').length;

test('a double mount handles the answer once, also with two clients', async () => {
  const visitor = await visit();
  await comeBack(visitor, { appState: 7 });
  visitor.requests.length = 0;
  const results = await visitor.page.evaluate(async ([issuer, clientId]) => {
    const make = () => window.tenure.createTenureClient({ issuer, clientId });
    const [one, two] = [make(), make()];
    window.client = two;
    return Promise.all([one.handleRedirectCallback(), one.handleRedirectCallback(), two.handleRedirectCallback()]);
  }, [server.issuer, 'shop']);
  assert.deepEqual(results, Array(3).fill({ appState: 7, repeated: false }));
  assert.ok(await visitor.value(() => window.client.getTokenSilently()), 'the second client has the tokens too');
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
  assert.equal(codesSent(visitor), 1, visitor.requests.join());
  await visitor.context.close();
});

test('a reload at the very address of the answer does not send the code twice, and finds the session', async () => {
  const visitor = await visit();
  const address = await comeBack(visitor, { appState: 'here' });
  await visitor.ready();
  await visitor.value(() => window.client.handleRedirectCallback());
  // As if the page had been reloaded before the address was tidied up.
  await visitor.page.goto(address);
  await visitor.ready();
  visitor.requests.length = 0;
  const bodies = [];
  visitor.page.on('request', (request) => bodies.push(request.postData() ?? ''));
  const result = await visitor.value(() => window.client.handleRedirectCallback());
  assert.deepEqual(result, { appState: 'here', repeated: true });
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
  const code = new URL(address).searchParams.get('code');
  assert.ok(!bodies.some((body) => body.includes(code)), 'the old code stays unused');
  await visitor.context.close();
});

test('going back to the login page and signing in again works', async () => {
  const visitor = await visit();
  await visitor.page.evaluate(() => void window.client.loginWithRedirect({ appState: 'again' }));
  await visitor.page.waitForURL(/\/authorize\?/);
  const loginPage = visitor.page.url();
  await fillIn(visitor.page);
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
  await visitor.ready();
  await visitor.value(() => window.client.handleRedirectCallback());
  // The same request again: the server answers with a fresh code for the same state.
  await visitor.page.goto(loginPage);
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
  await visitor.ready();
  const result = await visitor.value(() => window.client.handleRedirectCallback());
  assert.deepEqual(result, { appState: 'again', repeated: false });
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), true);
  await visitor.context.close();
});

test('the address of a login that another tab began is refused, and stays: it may be for somebody else', async () => {
  const visitor = await visit();
  await visitor.page.goto(`${shop.origin}/callback?code=stolen&state=unknown&keep=1`);
  await visitor.ready();
  const { error } = await visitor.run(() => window.client.handleRedirectCallback());
  assert.equal(error.code, 'missing_transaction');
  assert.match(visitor.page.url(), /code=stolen/);
  await visitor.context.close();
});

async function openPopup(visitor, script) {
  const opened = visitor.context.waitForEvent('page');
  await visitor.page.evaluate((text) => {
    const run = new Function(`return (${text})()`);
    document.querySelector('#popup').onclick = () => {
      window.done = run().then(() => ({}), (error) => ({ code: error.code, message: error.message }));
    };
  }, script.toString());
  await visitor.page.click('#popup');
  return opened;
}

test('a login in a window of its own', async () => {
  const visitor = await visit();
  await fillIn(await openPopup(visitor, () => window.client.loginWithPopup()));
  assert.deepEqual(await visitor.page.evaluate(() => window.done), {});
  assert.equal((await visitor.value(() => window.client.getUser())).name, 'Ada');
  assert.equal(visitor.context.pages().length, 1, 'the window is closed');
  assert.deepEqual(visitor.problems, []);
  await visitor.context.close();
});

test("CVE-2024-1249: an answer counts only from the window that was opened, and from the server's origin", async () => {
  const visitor = await visit();
  const popup = await openPopup(visitor, () => window.client.loginWithPopup());
  await popup.waitForURL(/authorize/);
  const state = new URL(popup.url()).searchParams.get('state');
  // From this page itself, and from a frame of the server's origin that nobody asked.
  await visitor.page.evaluate((message) => window.postMessage(message, '*'), { type: 'authorization_response', response: { error: 'access_denied', state } });
  await visitor.page.evaluate((address) => {
    const frame = document.createElement('iframe');
    frame.src = address;
    document.body.append(frame);
    return new Promise((resolve) => {
      addEventListener('message', ({ source }) => source === frame.contentWindow && resolve());
    });
  }, silently(state));
  await fillIn(popup);
  assert.deepEqual(await visitor.page.evaluate(() => window.done), {});
  await visitor.context.close();
});

// An address of the server's that posts an answer to whoever frames it at the shop.
const silently = (state) => {
  const params = {
    client_id: 'shop', redirect_uri: shop.origin, response_type: 'code', response_mode: 'web_message', scope: 'openid', prompt: 'none', state,
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
  };
  return `${server.base}/authorize?${new URLSearchParams(params)}`;
};

test('a window that the person closes, or that the browser does not open, is told as such', async () => {
  const visitor = await visit();
  const popup = await openPopup(visitor, () => window.client.loginWithPopup());
  await popup.waitForURL(/authorize/);
  await popup.close();
  assert.equal((await visitor.page.evaluate(() => window.done)).code, 'popup_closed');
  await visitor.page.evaluate(() => { window.open = () => null; });
  assert.equal((await visitor.run(() => window.client.loginWithPopup())).error.code, 'popup_blocked');
  await visitor.context.close();
});

test('a recent login: nothing if there is one, else the person signs in again and auth_time is checked', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const before = await visitor.value(() => window.client.getIdTokenClaims());
  await visitor.value(() => window.client.requireRecentLogin(300));
  await server.advance(600);
  await visitor.value(() => window.client.getTokenSilently({ cacheMode: 'off' }));
  const popup = await openPopup(visitor, () => window.client.requireRecentLogin(300));
  await popup.getByLabel('Password').fill('correct horse');
  await popup.getByRole('button', { name: 'Sign in' }).click();
  assert.deepEqual(await visitor.page.evaluate(() => window.done), {});
  const after = await visitor.value(() => window.client.getIdTokenClaims());
  assert.ok(after.auth_time >= before.auth_time + 600, `${before.auth_time} ${after.auth_time}`);
  await visitor.context.close();
});

test('a recent login with redirect comes back to where the person was', async () => {
  const visitor = await visit();
  await visitor.signIn();
  await server.advance(600);
  await visitor.value(() => window.client.getTokenSilently({ cacheMode: 'off' }));
  await visitor.page.evaluate(() => void window.client.requireRecentLogin(60, { via: 'redirect', appState: 'danger zone' }));
  await visitor.page.waitForURL(/\/authorize\?.*max_age=60/);
  await visitor.page.getByLabel('Password').fill('correct horse');
  await visitor.page.getByRole('button', { name: 'Sign in' }).click();
  await visitor.page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
  await visitor.ready();
  assert.deepEqual(await visitor.value(() => window.client.handleRedirectCallback()), { appState: 'danger zone', repeated: false });
  await visitor.value(() => window.client.requireRecentLogin(60));
  await visitor.context.close();
});

test('a logout clears all tabs, ends the session at the server and goes on', async () => {
  const visitor = await visit();
  await visitor.signIn();
  const other = await visit({}, visitor.context);
  assert.equal(await other.value(() => window.client.checkSession()), true);
  const elsewhere = await Visitor.come(browser, server, forum, 'forum', {}, visitor.context);
  assert.equal(await elsewhere.value(() => window.client.checkSession()), true, 'single sign-on');
  await elsewhere.status('active');
  await visitor.page.evaluate((to) => void window.client.logout({ returnTo: to, federated: true }), `${shop.origin}/bye`);
  await visitor.page.waitForURL(`${shop.origin}/bye`);
  assert.equal(await other.value(() => window.client.isAuthenticated()), false);
  assert.equal(await other.value(() => window.client.getTokenSilently({ cacheMode: 'cache-only' })), undefined);
  assert.equal((await other.run(() => window.client.getTokenSilently())).error.code, 'login_required');
  assert.equal((await elsewhere.heard('ended')).reason, 'user_logout');
  assert.equal(await elsewhere.value(() => window.client.isAuthenticated()), false, 'the other application heard of it');
  await visitor.context.close();
});

test('a logout without leaving the page forgets, and leaves the session alone', async () => {
  const visitor = await visit();
  await visitor.signIn();
  await visitor.value(() => window.client.logout({ openUrl: false }));
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), false);
  assert.ok(await visitor.value(() => window.client.getTokenSilently()), 'the session is still there');
  await visitor.context.close();
});

test('the first example of the README works when it is pasted', async () => {
  const { page, pass, stop } = await pasted(browser, firstExample);
  try {
    await page.reload();
    await page.getByText('Hello ada@example.com').waitFor();
    await page.getByText('active').waitFor();
    await pass(1_750);
    await page.getByText(/Your session ends in \d+ s/).waitFor();
    await page.getByRole('button', { name: 'Stay' }).click();
    await page.getByText('active').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Password').waitFor();
  } finally {
    await stop();
  }
});

test('an ID token whose signature does not hold signs nobody in', async () => {
  const visitor = await visit();
  const address = await comeBack(visitor);
  assert.ok(address.includes('code='));
  await visitor.context.route('**/oauth/token', async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    const [header, payload, signature] = answer.id_token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url'));
    const forged = Buffer.from(JSON.stringify({ ...claims, email: 'root@example.com' })).toString('base64url');
    await route.fulfill({ response, json: { ...answer, id_token: [header, forged, signature].join('.') } });
  });
  await visitor.ready();
  const { error } = await visitor.run(() => window.client.handleRedirectCallback());
  assert.equal(error.code, 'invalid_response');
  assert.match(error.message, /signature/i);
  assert.equal(await visitor.value(() => window.client.isAuthenticated()), false);
  await visitor.context.close();
});
