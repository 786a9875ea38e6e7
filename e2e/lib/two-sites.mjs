// Two sites and an API, as the workflow for several sites has them: one sign-in, short-lived or long-lived.
import { createLocalJWKSet, jwtVerify } from 'jose';
import { createServer } from 'node:http';
import { reactSite } from './react-site.mjs';
import { Server } from './server.mjs';
import { launch } from './sites.mjs';
import { ada, client } from './tenure-sdk.mjs';

const AUDIENCE = 'https://orders.example.com';

// An API that lets in whoever brings an access token for it, valid by the server's clock.
class Api {
  static async start(session) {
    const api = new Api();
    api.calls = [];
    const server = createServer((request, response) => void api.#answer(session, request, response));
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    api.url = `http://localhost:${server.address().port}/orders/7`;
    api.close = () => {
      server.closeAllConnections();
      server.close();
    };
    return api;
  }

  async #answer(session, { method, headers }, response) {
    const cors = { 'access-control-allow-origin': headers.origin ?? '*', 'access-control-allow-methods': 'GET, PUT', 'access-control-allow-headers': 'authorization' };
    if (method === 'OPTIONS') return response.writeHead(204, cors).end();
    const status = await this.#judge(session, headers.authorization);
    this.calls.push({ method, status });
    return response.writeHead(status, { ...cors, 'content-type': 'text/plain' }).end(status === 200 ? `${method} by ${this.sub}` : 'no');
  }

  async #judge({ server, passed }, authorization = '') {
    const keys = await fetch(`${server.issuer}.well-known/jwks.json`).then((answer) => answer.json());
    const currentDate = new Date(Date.now() + passed * 1000);
    try {
      const { payload } = await jwtVerify(authorization.replace('Bearer ', ''), createLocalJWKSet(keys), { issuer: server.issuer, audience: AUDIENCE, currentDate });
      this.sub = payload.sub;
      return 200;
    } catch {
      return 401;
    }
  }
}

export class TwoSites {
  // `page`: a file of `e2e/pages`; `profile`: the tenant's, with its longest duration in minutes.
  static async start(page, how) {
    const session = new TwoSites();
    try {
      await session.#begin(page, how);
      return session;
    } catch (error) {
      await session.stop();
      throw error;
    }
  }

  async #begin(page, { profile, minutes, tokens }) {
    this.passed = 0;
    this.api = await Api.start(this);
    const settings = (clientId, cacheLocation) => ({ settings: { clientId, cacheLocation, audience: AUDIENCE, api: this.api.url } });
    this.shop = await reactSite(page, settings('shop', 'memory'));
    // What this one keeps can be looked at after it was left.
    this.forum = await reactSite(page, settings('forum', 'localstorage'));
    const lifetimes = `    jwt_configuration: {lifetime_in_seconds: ${tokens}}`;
    this.server = await Server.start(`
tenant: {profile: ${profile}, session_lifetime_in_minutes: ${minutes}}
resourceServers: [{identifier: "${AUDIENCE}", name: Orders, token_lifetime: ${tokens}, token_lifetime_for_web: ${tokens}}]
clients:${client('shop', this.shop, lifetimes)}${client('forum', this.forum, lifetimes)}
${ada}`);
    for (const site of [this.shop, this.forum]) site.knows(this.server);
    this.browser = await launch();
    this.context = await this.browser.newContext();
    await this.context.clock.install();
    this.watch();
  }

  async stop() {
    await this.browser?.close();
    await this.server?.stop();
    for (const one of [this.shop, this.forum, this.api]) one?.close();
  }

  // What is asked of the server, as words; and every page of it that a person was shown.
  watch() {
    this.requests = [];
    this.shown = [];
    this.context.on('request', (request) => {
      const { origin, pathname, searchParams } = new URL(request.url());
      if (origin !== this.server.base) return;
      const grant = new URLSearchParams(request.postData() ?? '').get('grant_type');
      const silent = searchParams.get('prompt') === 'none' ? 'in a frame' : undefined;
      this.requests.push([request.method(), pathname, pathname === '/oauth/token' ? grant : silent].filter(Boolean).join(' '));
    });
    this.context.on('response', (response) => {
      const request = response.request();
      const isPage = request.isNavigationRequest() && response.status() === 200 && !request.frame().parentFrame();
      if (isPage && new URL(response.url()).origin === this.server.base) this.shown.push(new URL(response.url()).pathname);
    });
  }

  // Requests since the last time, those that tell nothing of tokens left out.
  taken() {
    const all = this.requests.filter((one) => /^(GET \/authorize|POST \/oauth\/token|POST \/session\/extend|GET .*logout)/.test(one));
    this.requests = [];
    return all;
  }

  async visit(site, path) {
    const page = await this.context.newPage();
    const tab = { page, rendered: 0, problems: [] };
    page.on('pageerror', (error) => tab.problems.push(error.message));
    await page.exposeFunction('privateRendered', () => { tab.rendered += 1; });
    await page.goto(`${site.origin}${path}`);
    return tab;
  }

  // Time goes by everywhere.
  async pass(seconds) {
    this.passed += seconds;
    await this.server.advance(seconds);
    await this.context.clock.fastForward(seconds * 1000);
    // A page removes a cookie with a date that is past by its own clock. The browser's clock has not moved, so that the
    // cookie stays, empty, and Auth0's SDK trips over it.
    for (const { name, value } of await this.context.cookies()) if (value === '') await this.context.clearCookies({ name });
  }

  now() {
    return Date.now() / 1000 + this.passed;
  }

  async cookie() {
    const cookies = await this.context.cookies(this.server.base);
    return cookies.find(({ name }) => name === `tenure_${this.server.port}`);
  }
}
