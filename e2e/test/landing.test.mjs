// An application whose callback is on one origin and whose pages are on another: a browser applies the
// `form-action` of our page to every redirect that follows its form (decision 171).
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, fillIn } from '../lib/visit.mjs';

const listen = (answer) =>
  new Promise((resolve) => {
    const site = createServer(answer).listen(0, '127.0.0.1', () => {
      site.origin = `http://localhost:${site.address().port}`;
      resolve(site);
    });
  });

let pages, callback, server, browser;
before(async () => {
  pages = await listen((request, response) => response.end(`<title>${request.url}</title>`));
  callback = await listen((request, response) => {
    request.resume().on('end', () => response.writeHead(303, { location: `${pages.origin}${request.url.split('?')[0]}` }).end());
  });
  server = await Server.start(`
clients:
  - client_id: shop
    client_secret: s
    name: Shop
    is_first_party: false
    callbacks: ["${callback.origin}/signed-in"]
    allowed_logout_urls: ["${callback.origin}/signed-out"]
${ada}
`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  for (const site of [pages, callback]) site?.close().closeAllConnections();
});

for (const mode of ['query', 'form_post']) {
  test(`a login, a consent and a logout end where the application sends people, ${mode}`, async () => {
    const page = await (await browser.newContext()).newPage();
    const query = new URLSearchParams({
      client_id: 'shop', redirect_uri: `${callback.origin}/signed-in`, response_type: 'code',
      response_mode: mode, scope: 'openid email', state: 's', prompt: 'consent',
    });
    await page.goto(`${server.base}/authorize?${query}`);
    await fillIn(page);
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.waitForURL(`${pages.origin}/signed-in`);
    // By the login page alone.
    query.set('prompt', 'login');
    await page.goto(`${server.base}/authorize?${query}`);
    await fillIn(page);
    await page.waitForURL(`${pages.origin}/signed-in`);
    // "Back" leads before the login, not into the page between.
    const before = await page.evaluate(() => history.length);
    const logout = new URLSearchParams({ client_id: 'shop', post_logout_redirect_uri: `${callback.origin}/signed-out` });
    await page.goto(`${server.base}/oidc/logout?${logout}`);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL(`${pages.origin}/signed-out`);
    assert.ok((await page.evaluate(() => history.length)) <= before + 2, 'the page between leaves no entry');
  });
}
