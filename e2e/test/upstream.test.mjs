// Signing in at other identity providers, in a real browser: another Tenure, and a foreign one.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { foreignProvider, signInThere } from '../lib/foreign.mjs';
import { Server, freePort } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';

const shots = new URL('../../target/screenshots/', import.meta.url).pathname;
mkdirSync(shots, { recursive: true });

let up, down, foreign, app, browser, appPort;
before(async () => {
  appPort = await freePort();
  app = createServer((request, response) => response.setHeader('content-type', 'text/html').end('<h1>The application</h1>'));
  await new Promise((resolve) => app.listen(appPort, '127.0.0.1', resolve));
  // The port of the installation below is chosen first, so that the ones above can name it.
  down = await Server.start('tenant: {friendly_name: Acme Outdoor}', { manualClock: false });
  const callback = `${down.base}/login/callback`;
  foreign = await foreignProvider(down.base);
  up = await Server.start(`
tenant: {friendly_name: Corp, session_lifetime: 4}
clients:
  - {client_id: down, client_secret: s, name: Acme Outdoor, callbacks: ["${callback}"]}
users:
  - {email: ada@corp.example, name: Ada, email_verified: true, password: correct horse}
`, { manualClock: false });
  down.apply(`
clients:
  - {client_id: shop, client_secret: s, name: Shop, callbacks: ["http://localhost:${appPort}/cb"]}
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
  await Promise.all([up?.stop(), down?.stop(), foreign?.stop(), new Promise((resolve) => app.close(resolve))]);
});

const request = (extra = '') =>
  `${down.base}/authorize?client_id=shop&redirect_uri=${encodeURIComponent(`http://localhost:${appPort}/cb`)}` +
  `&response_type=code&scope=openid+email+profile&state=s${extra}`;

async function exchange(url) {
  const answer = await fetch(`${down.base}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', client_id: 'shop', client_secret: 's', code: new URL(url).searchParams.get('code'),
      redirect_uri: `http://localhost:${appPort}/cb`,
    }),
  });
  const { id_token: token } = await answer.json();
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}

for (const [look, options] of [
  ['desktop', { viewport: { width: 1100, height: 900 }, colorScheme: 'light' }],
  ['phone-dark', { viewport: { width: 390, height: 900 }, colorScheme: 'dark' }],
]) {
  test(`a person signs in at another Tenure, ${look}`, async () => {
    const page = await (await browser.newContext(options)).newPage();
    const refused = [];
    page.on('console', (message) => { if (message.type() === 'error') refused.push(message.text()); });
    await page.goto(request());
    await page.screenshot({ path: `${shots}login-providers-${look}.png` });
    await page.getByRole('link', { name: 'Continue with Corp' }).click();
    assert.equal(await page.title(), 'Sign in · Corp');
    await page.getByLabel('E-mail address or user name').fill('ada@corp.example');
    await page.getByLabel('Password').fill('correct horse');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'The application' }).waitFor();
    const claims = await exchange(page.url());
    assert.match(claims.sub, /^oidc\|corp\|auth0\|/);
    assert.equal(claims.email, 'ada@corp.example');
    // The session there is the shorter one, and its end is passed on.
    const hours = (claims.session_expiry - claims.auth_time) / 3600;
    assert.ok(hours > 3.9 && hours <= 4, `${hours}`);
    const shown = JSON.parse(down.command('session', 'show', claims.sid, '--json'));
    assert.equal((shown.graph ?? shown).upstream[0].connection, 'corp');
    assert.deepEqual(refused, []);
  });
}

test('a person signs in at a foreign provider that tells the address at userinfo only', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(request('&connection=foreign'));
  await signInThere(page);
  await page.getByRole('heading', { name: 'The application' }).waitFor();
  const claims = await exchange(page.url());
  assert.equal(claims.sub, 'oidc|foreign|grace@foreign.example');
  assert.equal(claims.email, 'grace@foreign.example');
  assert.equal(claims.name, 'Grace Foreign');
});

test('who cancels there is told so here, and can sign in another way', async () => {
  const page = await (await browser.newContext({ viewport: { width: 1100, height: 900 } })).newPage();
  await page.goto(request('&connection=corp'));
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('You did not finish signing in').waitFor();
  await page.screenshot({ path: `${shots}login-provider-cancelled.png` });
  await page.getByRole('link', { name: 'Continue with Foreign Provider' }).waitFor();
});

test('an address leads to its provider, without script', async () => {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, javaScriptEnabled: false });
  const page = await context.newPage();
  const refused = [];
  page.on('console', (message) => { if (message.type() === 'error') refused.push(message.text()); });
  await page.goto(request());
  await page.getByLabel('E-mail address or user name').fill('ada@nowhere.example');
  await page.getByRole('button', { name: 'Continue with your organisation' }).click();
  await page.getByText('No organisation signs in with an address like that here').waitFor();
  await page.screenshot({ path: `${shots}login-no-organisation.png` });
  await page.getByLabel('E-mail address or user name').fill('ada@corp.example');
  await page.getByRole('button', { name: 'Continue with your organisation' }).click();
  await page.waitForURL(`${up.base}/**`);
  assert.equal(await page.getByLabel('E-mail address or user name').inputValue(), 'ada@corp.example');
  await page.getByLabel('Password').fill('correct horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'The application' }).waitFor();
  const claims = await exchange(page.url());
  assert.equal(claims.connection, 'corp');
  assert.deepEqual(refused, []);
});

test('tenure connection test says what the foreign provider offers', async () => {
  const told = JSON.parse(await down.commandAsync('connection', 'test', 'foreign', '--base-url', down.base, '--json'));
  assert.deepEqual(told.wrong, []);
  assert.equal(told.found.end_session_endpoint, `${foreign.issuer}/session/end`);
  assert.equal(told.register.redirect_uri, `${down.base}/login/callback`);
  assert.match(told.missing.join(), /backchannel_logout_supported/);
  assert.doesNotMatch(JSON.stringify(told), /foreign-secret/);
});
