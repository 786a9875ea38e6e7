// oidc-client-ts, unmodified, in a real browser: redirect, silent renewal by frame and by refresh token, logout.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';
import { ada, fillIn } from '../lib/visit.mjs';

let server, shop, browser;
before(async () => {
  shop = await site({ sdk: 'oidc-client-ts' });
  server = await Server.start(`
clients:
  - client_id: shop
    name: Shop
    app_type: spa
    callbacks: ["${shop.origin}/callback", "${shop.origin}/silent"]
    web_origins: ["${shop.origin}"]
    allowed_logout_urls: ["${shop.origin}/bye"]
${ada}
`, { manualClock: false });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  shop?.close();
});

// Every page of the site makes the same manager; the one in the frame answers its parent.
async function visit(more = {}) {
  const context = await browser.newContext();
  await context.addInitScript(([authority, settings]) => {
    addEventListener('DOMContentLoaded', () => {
      window.manager = new window.oidc.UserManager({
        authority, client_id: 'shop', redirect_uri: `${location.origin}/callback`, silent_redirect_uri: `${location.origin}/silent`,
        post_logout_redirect_uri: `${location.origin}/bye`, scope: 'openid profile email', automaticSilentRenew: false, ...settings,
      });
      if (location.pathname === '/silent') window.manager.signinSilentCallback();
    });
  }, [server.issuer, more]);
  const page = await context.newPage();
  await page.goto(shop.origin);
  return page;
}

async function signedIn(more) {
  const page = await visit(more);
  await page.evaluate(() => { void window.manager.signinRedirect({ state: 'kept' }); });
  await page.waitForURL(/\/authorize\?/);
  await fillIn(page);
  await page.waitForURL(/\/callback\?/);
  const user = await page.evaluate(() => window.manager.signinCallback().then(({ profile, state }) => ({ profile, state })));
  assert.deepEqual([user.profile.name, user.state], ['Ada', 'kept']);
  return page;
}

const renew = (page) => page.evaluate(async () => {
  const before = await window.manager.getUser();
  const after = await window.manager.signinSilent();
  return { renewed: before.access_token !== after.access_token, same: before.profile.sid === after.profile.sid, rotated: before.refresh_token !== after.refresh_token };
});

test('oidc-client-ts: redirect login, renewal in a frame, logout', async () => {
  const page = await signedIn();
  assert.deepEqual(await renew(page), { renewed: true, same: true, rotated: false });
  await page.evaluate(() => { void window.manager.signoutRedirect({ state: 'gone' }); });
  await page.waitForURL(`${shop.origin}/bye?state=*`);
  assert.equal(await page.evaluate(() => window.manager.getUser()), null);
  const refused = await page.evaluate(() => window.manager.signinSilent().then(() => null, (error) => error.error));
  assert.equal(refused, 'login_required');
  await page.context().close();
});

test('oidc-client-ts: renewal by a refresh token that rotates, and its revocation', async () => {
  const page = await signedIn({ scope: 'openid profile offline_access', revokeTokensOnSignout: true });
  assert.deepEqual(await renew(page), { renewed: true, same: true, rotated: true });
  assert.deepEqual(await renew(page), { renewed: true, same: true, rotated: true });
  const refused = await page.evaluate(async () => {
    const { refresh_token: token } = await window.manager.getUser();
    await window.manager.revokeTokens(['refresh_token']);
    const answer = await fetch(await window.manager.metadataService.getTokenEndpoint(), {
      method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'shop', refresh_token: token }),
    });
    return (await answer.json()).error;
  });
  assert.equal(refused, 'invalid_grant');
  await page.context().close();
});

test('oidc-client-ts: with DPoP its tokens are bound, and userinfo takes them', async () => {
  const page = await visit();
  const told = await page.evaluate(async (authority) => {
    const dpop = { store: new window.oidc.IndexedDbDPoPStore(), bind_authorization_code: true };
    window.bound = new window.oidc.UserManager({ ...window.manager.settings, authority, dpop, loadUserInfo: false });
    void window.bound.signinRedirect();
    return typeof dpop.store;
  }, server.issuer);
  assert.equal(told, 'object');
  await page.waitForURL(/\/authorize\?.*dpop_jkt=/);
  await fillIn(page);
  await page.waitForURL(/\/callback\?/);
  const bound = await page.evaluate(async ([authority, userinfo]) => {
    const dpop = { store: new window.oidc.IndexedDbDPoPStore(), bind_authorization_code: true };
    const manager = new window.oidc.UserManager({ ...window.manager.settings, authority, dpop });
    const user = await manager.signinCallback();
    const proof = await manager.dpopProof(userinfo, user, 'GET');
    const headers = { authorization: `DPoP ${user.access_token}`, dpop: proof };
    const answer = await fetch(userinfo, { headers });
    return { type: user.token_type, name: (await answer.json()).name };
  }, [server.issuer, `${server.base}/userinfo`]);
  assert.deepEqual(bound, { type: 'DPoP', name: 'Ada' });
  await page.context().close();
});
