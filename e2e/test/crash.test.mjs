// kill -9 under load: whatever was answered as done is still done after the restart.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person, Server } from '../lib/server.mjs';

const rounds = process.env.TENURE_FULL ? 50 : 5;
const callback = 'http://localhost:3000/cb';
const verifier = 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz';
const challenge = 'I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY';

let server;
before(async () => {
  server = await Server.start(`
clients:
  - {client_id: spa, name: Spa, app_type: spa, callbacks: ["${callback}"], web_origins: ["http://localhost:3000"],
     refresh_token: {retry_window: 60}}
users:
  - {email: ada@example.com, password: correct horse}
`, { manualClock: false });
});
after(() => server.stop());

const post = (path, fields) =>
  fetch(`${server.base}${path}`, { method: 'POST', body: new URLSearchParams(fields), headers: { 'user-agent': 'e2e' } });

const authorizeUrl = () =>
  `/authorize?${new URLSearchParams({ client_id: 'spa', redirect_uri: callback, response_type: 'code', scope: 'openid offline_access', state: 's', code_challenge: challenge, code_challenge_method: 'S256' })}`;

const redeem = (code) =>
  post('/oauth/token', { grant_type: 'authorization_code', client_id: 'spa', code, code_verifier: verifier, redirect_uri: callback });
const refresh = (token) => post('/oauth/token', { grant_type: 'refresh_token', client_id: 'spa', refresh_token: token });

async function signIn() {
  const person = new Person(server);
  const code = (await person.authorize(authorizeUrl())).searchParams.get('code');
  const tokens = await (await redeem(code)).json();
  return { person, code, token: tokens.refresh_token, tokens };
}

// Keeps refreshing until the server dies; remembers the newest token that was answered.
async function refreshUntilDeath(one) {
  for (;;) {
    try {
      const answer = await refresh(one.token);
      if (!answer.ok) { one.refused = `${answer.status} ${await answer.text()}`; return; }
      const { refresh_token: next } = await answer.json();
      one.before = one.token;
      one.token = next;
    } catch {
      return;
    }
  }
}

for (let round = 1; round <= rounds; round += 1) {
  test(`crash ${round} of ${rounds}`, async () => {
    const refreshers = await Promise.all(Array.from({ length: 6 }, signIn));
    const leaving = await signIn();
    const revoking = await signIn();
    const fresh = (await leaving.person.authorize(authorizeUrl())).searchParams.get('code');
    const running = refreshers.map(refreshUntilDeath);
    const redeemed = await (await redeem(fresh)).json();
    const out = await leaving.person.request('/v2/logout');
    assert.equal(out.status, 200);
    assert.equal((await post('/oauth/revoke', { client_id: 'spa', token: revoking.token })).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 40 + Math.random() * 120));
    await server.kill('SIGKILL');
    await Promise.all(running);
    await server.run();
    for (const one of refreshers) {
      assert.equal(one.refused, undefined, 'nothing was refused under load');
      // The newest answered token is alive; a rotation whose answer was lost is a repeat, not theft.
      const answer = await refresh(one.token);
      assert.equal(answer.status, 200, await answer.clone().text());
    }
    const silent = await leaving.person.request(`${authorizeUrl()}&prompt=none`);
    assert.equal(new URL(silent.headers.get('location')).searchParams.get('error'), 'login_required', 'the logout holds');
    assert.equal((await (await refresh(revoking.token)).json()).error, 'invalid_grant', 'the revocation holds');
    assert.equal((await (await redeem(fresh)).json()).error, 'invalid_grant', 'no code is redeemed twice');
    assert.ok(redeemed.access_token);
    const userinfo = await fetch(`${server.base}/userinfo`, { headers: { authorization: `Bearer ${leaving.tokens.access_token}` } });
    assert.equal(userinfo.status, 401, 'nor does an access token come back');
  });
}
