// A page on another port of the same host hears of its session with fetch, counts down, and extends it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';

let server, shop, stranger, browser;
before(async () => {
  [shop, stranger] = [await site(), await site()];
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
clients:
  - client_id: shop
    name: shop
    app_type: spa
    callbacks: ["${shop.origin}"]
    web_origins: ["${shop.origin}"]
    allowed_logout_urls: ["${shop.origin}"]
users:
  - {email: ada@example.com, email_verified: true, password: correct horse}
`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
  stranger?.close();
});

// Reads the stream into `window.heard`, as an application would.
function listen([base, init]) {
  window.heard = [];
  window.ended = false;
  return fetch(`${base}/session/events`, init).then((response) => {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const more = ({ done, value }) => {
      if (done) {
        window.ended = true;
        return undefined;
      }
      text += value;
      const blocks = text.split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        const field = (name) => block.split('\n').find((line) => line.startsWith(name))?.slice(name.length);
        if (field('event: ')) window.heard.push({ event: field('event: '), ...JSON.parse(field('data: ')) });
      }
      return reader.read().then(more);
    };
    void reader.read().then(more);
    return response.status;
  });
}

const heard = (page, event) =>
  page.waitForFunction((name) => window.heard.find((one) => one.event === name), event).then((found) => found.jsonValue());

async function signedIn() {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(shop.origin);
  await page.evaluate(async (domain) => {
    const options = { domain, clientId: 'shop', authorizationParams: { redirect_uri: location.origin } };
    window.client = await window.auth0.createAuth0Client(options);
    void window.client.loginWithRedirect();
  }, server.base);
  await page.waitForURL(/\/authorize\?/);
  await page.getByLabel('E-mail address or user name').fill('ada@example.com');
  await page.getByLabel('Password').fill('correct horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.origin === shop.origin && url.searchParams.has('code'));
  return { context, page };
}

test('with the cookie, a page hears an extension that it makes and a logout elsewhere', async () => {
  const { context, page } = await signedIn();
  assert.equal(await page.evaluate(listen, [server.base, { credentials: 'include' }]), 200);
  const status = await heard(page, 'status');
  assert.equal(status.expires_at, status.idle_expires_at);
  const extend = () =>
    page.evaluate(async (base) => {
      const init = { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body: '{}' };
      const response = await fetch(`${base}/session/extend`, init);
      return response.json();
    }, server.base);
  const extended = await extend();
  assert.ok(extended.expires_at >= status.expires_at);
  assert.equal((await heard(page, 'extended')).sid, status.sid);
  const other = await context.newPage();
  await other.goto(`${server.base}/v2/logout`);
  const ended = await heard(page, 'ended');
  assert.equal(ended.active, false);
  assert.equal(ended.reason, 'user_logout');
  await page.waitForFunction(() => window.ended);
  // The logout took the cookie along, and nothing else proves this page.
  assert.equal((await extend()).error, 'invalid_token');
});

test('a page of an origin that takes no part reads nothing', async () => {
  const { context } = await signedIn();
  const page = await context.newPage();
  await page.goto(stranger.origin);
  const asked = await page.evaluate(
    (base) => fetch(`${base}/session/status`, { credentials: 'include' }).then((r) => r.status, () => 'blocked'),
    server.base,
  );
  assert.equal(asked, 'blocked');
});

test('the command line ends a session, and its page hears why', async () => {
  const { page } = await signedIn();
  await page.evaluate(listen, [server.base, { credentials: 'include' }]);
  const { sid } = await heard(page, 'status');
  server.command('session', 'end', sid);
  assert.equal((await heard(page, 'ended')).reason, 'admin_revoked');
});
