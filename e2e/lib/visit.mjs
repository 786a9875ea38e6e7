// A visitor of a site that uses Auth0's SPA SDK: a page, and what its person does there.
import { strict as assert } from 'node:assert';

export const client = (id, { origin }, more = '') => `
  - client_id: ${id}
    name: ${id}
    app_type: spa
    callbacks: ["${origin}", "${origin}/"]
    web_origins: ["${origin}"]
    allowed_logout_urls: ["${origin}"]
    ${more}`;

export const ada = 'users: [{email: ada@example.com, name: Ada, email_verified: true, password: correct horse}]';

export async function fillIn(page) {
  await page.getByLabel('E-mail address or user name').fill('ada@example.com');
  await page.getByLabel('Password').fill('correct horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
}

export class Visitor {
  // In a context with cookies of its own, or in the one that is given; the SDK is ready as `client`.
  static async at(place, server, browser, { id, options = {}, context }) {
    const visitor = new Visitor();
    Object.assign(visitor, { place, server, id, options });
    visitor.context = context ?? await browser.newContext();
    visitor.page = await visitor.context.newPage();
    visitor.problems = [];
    visitor.page.on('pageerror', (error) => visitor.problems.push(error.message));
    // Whatever its page sends to the token endpoint, and what comes back.
    visitor.exchanges = [];
    visitor.context.on('response', (response) => visitor.#note(response));
    await visitor.page.goto(place.origin);
    await visitor.ready();
    return visitor;
  }

  #note(response) {
    const request = response.request();
    if (!response.url().endsWith('/oauth/token') || request.method() !== 'POST') return;
    const told = response.json().catch(() => null);
    this.exchanges.push(told.then((json) => ({ status: response.status(), headers: request.headers(), sent: request.postData(), told: json })));
  }

  // All so many, once their events have come: a page may know an answer before we do.
  async exchanged(count) {
    while (this.exchanges.length < count) await this.context.waitForEvent('response');
    assert.equal(this.exchanges.length, count);
    return Promise.all(this.exchanges);
  }

  ready() {
    return this.page.evaluate(([domain, clientId, { authorizationParams, ...settings }]) => {
      const params = { redirect_uri: location.origin, ...authorizationParams };
      return window.auth0.createAuth0Client({ domain, clientId, authorizationParams: params, ...settings })
        .then((made) => { window.client = made; });
    }, [this.server.base, this.id, this.options]);
  }

  async leave(parameters = {}) {
    await this.page.evaluate((p) => { void window.client.loginWithRedirect({ authorizationParams: p }); }, parameters);
  }

  async comeBack() {
    await this.page.waitForURL((url) => url.origin === this.place.origin && url.searchParams.has('code'));
    await this.ready();
    await this.page.evaluate(() => window.client.handleRedirectCallback());
  }

  async signIn(parameters) {
    await this.leave(parameters);
    await this.page.waitForURL(/\/authorize\?/);
    await fillIn(this.page);
    await this.comeBack();
  }

  user() {
    return this.page.evaluate(() => window.client.getUser());
  }

  isAuthenticated() {
    return this.page.evaluate(() => window.client.isAuthenticated());
  }

  claims() {
    return this.page.evaluate(() => window.client.getIdTokenClaims());
  }

  // `{token}`, or `{error, description, took}`; `token` is absent where the SDK answers `undefined`.
  silently(options = { cacheMode: 'off' }) {
    return this.page.evaluate(async (o) => {
      const began = performance.now();
      try {
        return { token: await window.client.getTokenSilently(o) };
      } catch (error) {
        return { error: error.error, description: error.error_description ?? error.message, took: performance.now() - began };
      }
    }, options);
  }

  async renews(options) {
    const answer = await this.silently(options);
    assert.ok(answer.token, JSON.stringify(answer));
    return answer.token;
  }

  leaveForGood() {
    assert.deepEqual(this.problems, []);
    return this.context.close();
  }
}
