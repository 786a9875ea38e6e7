// Clients that want TLS: the server's own, with a certificate that they are told to trust.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freePort, Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { certificate, run, serve } from '../lib/tls.mjs';
import { ada, fillIn } from '../lib/visit.mjs';

const redirect = 'https://localhost:3001/callback';
const secret = "s3cr-et~1 x";

let tls, server, port, shop, browser;
before(async () => {
  tls = certificate();
  port = await freePort();
  server = await Server.start(`
clients:
  - {client_id: shop, name: Shop, token_endpoint_auth_method: none, callbacks: ["https://localhost:${port}/callback"], allowed_logout_urls: ["https://localhost:${port}"]}
  - {client_id: web, name: Web, client_secret: "${secret}", callbacks: ["${redirect}"]}
${ada}
`, { manualClock: false, tls });
  shop = await serve('express-form-post.mjs', tls, { issuer: server.base, port });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  shop?.stop();
  await server?.stop();
  tls?.remove();
});

test('G1, G4: the default login by form_post, and the logout', async () => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const site = `https://localhost:${port}`;
  const posted = page.waitForRequest((request) => request.url() === `${site}/callback`);
  await page.goto(`${site}/login`);
  await fillIn(page);
  const answer = new URLSearchParams((await posted).postData());
  assert.ok(answer.get('id_token') && answer.get('state') && !answer.has('code'));
  await page.getByText('Hello Ada').waitFor();
  const [cookie] = (await context.cookies(server.base)).filter(({ name }) => name === '__Host-tenure');
  assert.deepEqual([cookie.secure, cookie.httpOnly, cookie.sameSite], [true, true, 'None']);
  await page.goto(`${site}/logout`);
  await page.getByText('Hello stranger').waitFor();
  assert.deepEqual((await context.cookies(server.base)).filter(({ name }) => name === '__Host-tenure'), []);
  await context.close();
});

test("J1: the legacy AuthenticationClient's code grant, refresh and revocation", async () => {
  assert.equal(await run('authentication-client.mjs', tls, { base: server.base, redirect, secret }), 'all of it\n');
});
