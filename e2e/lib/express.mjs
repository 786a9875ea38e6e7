// A web application with express-openid-connect as it is, and a person's browser without script at it.
import { createServer } from 'node:http';
import assert from 'node:assert/strict';
import express from 'express';
import { auth } from 'express-openid-connect';

// Sessions in memory, with the interface that express-session stores have.
export class Memory {
  constructor() {
    this.kept = new Map();
  }
  get(id, done) {
    done(null, this.kept.get(id));
  }
  set(id, session, done) {
    this.kept.set(id, session);
    done?.(null);
  }
  destroy(id, done) {
    this.kept.delete(id);
    done?.(null);
  }
}

const answer = (work) => async (request, response) => {
  try {
    response.json(await work(request));
  } catch (error) {
    response.status(error.status ?? error.statusCode ?? 500).json({ error: error.error ?? error.name, message: error.message });
  }
};

// An application at `port`; `options` are the library's, beside what every one of ours has.
export function application(port, server, { client, secret, ...options }) {
  const base = `http://localhost:${port}`;
  const site = express();
  const received = [];
  site.use((request, response, next) => {
    if (request.path === '/backchannel-logout') response.on('finish', () => received.push(response.statusCode));
    next();
  });
  site.use(auth({
    issuerBaseURL: server.base, baseURL: base, clientID: client, clientSecret: secret, secret: 'a long enough secret for cookies',
    authRequired: false, idTokenSigningAlg: 'RS256', ...options,
    authorizationParams: { response_type: 'code', scope: 'openid profile', ...options.authorizationParams },
  }));
  site.get('/who', answer((request) => ({ user: request.oidc.isAuthenticated() ? request.oidc.user.sid : null, claims: request.oidc.idTokenClaims ?? null })));
  site.get('/refresh', answer(async (request) => {
    const before = request.oidc.accessToken.access_token;
    const { access_token: token } = await request.oidc.accessToken.refresh();
    return { renewed: token !== before };
  }));
  site.get('/profile', answer((request) => request.oidc.fetchUserInfo()));
  const listening = createServer(site).listen(port, '127.0.0.1');
  return {
    base, received,
    close() {
      listening.close();
      listening.closeAllConnections();
    },
  };
}

// A person's browser at an application; `person` holds the cookies of the server.
export class Guest {
  constructor(base, person) {
    Object.assign(this, { base, person, cookies: new Map() });
  }

  async get(url) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answered = await fetch(new URL(url, this.base), { redirect: 'manual', headers: { cookie } });
    for (const line of answered.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answered;
  }

  async json(url) {
    const answered = await this.get(url);
    return { status: answered.status, ...(await answered.json()) };
  }

  // Where the application sends the browser.
  async sentTo(url) {
    return (await this.get(url)).headers.get('location');
  }

  async signIn() {
    const back = await this.person.authorize(await this.sentTo('/login'));
    assert.equal((await this.get(back)).status, 302);
    const sid = await this.who();
    assert.ok(sid, 'signed in');
    return sid;
  }

  async who() {
    return (await this.json('/who')).user;
  }

  // A second at most.
  async isGone() {
    for (let tries = 0; tries < 50; tries += 1) {
      if (!(await this.who())) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  }
}
