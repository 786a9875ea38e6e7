// The example shop over https: logins are pushed, and answers come as forms from a page of another site.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Shop } from '../lib/shop.mjs';
import { launch } from '../lib/sites.mjs';
import { certificate } from '../lib/tls.mjs';
import { fillIn } from '../lib/visit.mjs';

let tls, shop, browser;
before(async () => {
  tls = certificate();
  shop = await Shop.start({ tls });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await shop?.stop();
  tls?.remove();
});

const cookiesOf = async (page, url) => (await page.context().cookies(url)).filter(({ name }) => name.startsWith('__Host-appSession'));

for (const name of ['local-logout', 'inactivity']) {
  test(`no address has a code, and the session that there was is known (${name})`, async () => {
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    page.setDefaultTimeout(8000);
    const url = shop.urls[name];
    const requests = [];
    page.on('request', (request) => requests.push({ method: request.method(), url: request.url() }));
    await page.goto(`${url}/`);
    await page.getByRole('link', { name: 'Sign in' }).click();
    // While it is under way its cookie is the one that comes along from another site.
    const [login] = await cookiesOf(page, url);
    assert.deepEqual([login.sameSite, login.secure, login.httpOnly], ['None', true, true]);
    await fillIn(page);
    await page.getByText('Hello, Ada Lovelace').waitFor();
    assert.equal(page.url(), `${url}/`);
    const asked = new URL(requests.find((one) => one.url.includes('/authorize?')).url).searchParams;
    assert.deepEqual([...asked.keys()], ['client_id', 'request_uri']);
    assert.ok(requests.some((one) => one.method === 'POST' && one.url === `${url}/callback`));
    assert.deepEqual(requests.filter((one) => one.url.includes('code=')), []);
    const held = await cookiesOf(page, url);
    assert.ok(held.length > 0 && held.every((cookie) => cookie.sameSite === 'Lax' && cookie.secure && !cookie.name.includes('_tx_')));
    // Signing in once more: the browser keeps the session's cookie back from the form, and yet the cart is there.
    await page.getByRole('button', { name: 'Add boots to the cart' }).click();
    await page.getByText('1 items').waitFor();
    await page.goto(`${url}/login`);
    await page.getByText('1 items').waitFor();
    assert.equal(requests.filter((one) => one.method === 'POST' && one.url === `${url}/callback`).length, 2);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Nobody is signed in.').waitFor();
    await page.context().close();
  });
}
