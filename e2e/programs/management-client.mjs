// Auth0's ManagementClient, unmodified, which speaks https alone: one scenario of an operator's program.
import assert from 'node:assert/strict';
import { Management, ManagementClient } from 'auth0';
import { Person } from '../lib/server.mjs';

const { base, redirect, scenario, ada } = JSON.parse(process.env.SETTINGS);
const domain = new URL(base).host;
const operator = (more) => new ManagementClient({ domain, clientId: 'backend', clientSecret: 'backend-secret', ...more });
const refusal = (promise) => promise.then(() => assert.fail('it was done'), (error) => error);
const all = async (page) => {
  const items = [];
  for await (const item of await page) items.push(item);
  return items;
};

// Signs Ada in, in a browser of her own; its session and its refresh token.
async function signIn(scope = 'openid profile offline_access') {
  const person = new Person({ base });
  const url = new URL('/authorize', base);
  url.search = new URLSearchParams({ client_id: 'web', redirect_uri: redirect, response_type: 'code', scope, state: 's', nonce: 'n' });
  const code = (await person.authorize(url)).searchParams.get('code');
  const tokens = await token({ grant_type: 'authorization_code', code, redirect_uri: redirect });
  const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64url'));
  return { person, sid: claims.sid, tokens };
}

async function token(parameters) {
  const body = new URLSearchParams({ client_id: 'web', client_secret: 'web-secret', ...parameters });
  return (await fetch(`${base}/oauth/token`, { method: 'POST', body })).json();
}

const refreshes = async ({ tokens }) =>
  'access_token' in await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });

const scenarios = {
  // The client fetches its token by itself, and calls with it.
  async I1() {
    const requests = [];
    const fetching = async (url, options) => {
      const answer = await fetch(url, options);
      requests.push([new URL(url).pathname, options.body?.toString(), await answer.clone().json()]);
      return answer;
    };
    const api = operator({ fetch: fetching });
    assert.deepEqual(await all(api.users.sessions.list(ada)), []);
    assert.deepEqual(await all(api.users.sessions.list(ada)), []);
    const [[path, asked, told], ...calls] = requests;
    assert.equal(path, '/oauth/token');
    assert.equal(new URLSearchParams(asked).get('audience'), `${base}/api/v2/`);
    assert.deepEqual([told.token_type, told.expires_in], ['Bearer', 900]);
    assert.ok(told.access_token && told.scope.includes('delete:refresh_tokens'));
    assert.deepEqual(calls.map(([to]) => to), Array(2).fill(`/api/v2/users/${encodeURIComponent(ada)}/sessions`));
    await refusal(operator({ clientSecret: 'wrong' }).sessions.get('x'));
    await refusal(operator({ clientId: 'nobody' }).sessions.get('x'));
    // One that was granted less.
    const reader = operator({ clientId: 'reader', clientSecret: 'reader-secret' });
    assert.deepEqual(await all(reader.users.sessions.list(ada)), []);
    const refused = await refusal(reader.sessions.revoke('x'));
    assert.ok(refused instanceof Management.ForbiddenError);
    assert.equal(refused.body.errorCode, 'insufficient_scope');
  },

  async I2() {
    const api = operator();
    const entered = [await signIn(), await signIn(), await signIn()];
    const sids = entered.map(({ sid }) => sid).sort();
    const first = await api.users.sessions.list(ada, { take: 2 });
    assert.deepEqual([first.data.length, first.hasNextPage()], [2, true]);
    const rest = await first.getNextPage();
    assert.deepEqual([rest.data.length, rest.hasNextPage(), 'next' in rest.response], [1, false, false]);
    assert.deepEqual((await all(api.users.sessions.list(ada, { take: 1 }))).map(({ id }) => id).sort(), sids);

    const session = await api.sessions.get(sids[0]);
    assert.deepEqual([session.id, session.user_id, session.clients], [sids[0], ada, [{ client_id: 'web' }]]);
    assert.deepEqual(session.authentication.methods.map(({ name }) => name), ['pwd']);
    assert.equal(session.device.last_user_agent, 'e2e');
    for (const name of ['created_at', 'authenticated_at', 'updated_at', 'last_interacted_at', 'idle_expires_at', 'expires_at']) {
      assert.ok(!Number.isNaN(Date.parse(session[name])), name);
    }
    assert.ok(session.idle_expires_at < session.expires_at);
    const changed = await api.sessions.update(sids[0], { session_metadata: { desk: '3' } });
    assert.deepEqual(changed.session_metadata, { desk: '3' });
    assert.deepEqual((await api.sessions.get(sids[0])).session_metadata, { desk: '3' });
    const wrong = await refusal(api.sessions.update(sids[0], { session_metadata: { desk: 3 } }));
    assert.ok(wrong instanceof Management.BadRequestError);

    await api.sessions.delete(sids[0]);
    await api.sessions.revoke(sids[1]);
    for (const sid of sids.slice(0, 2)) {
      const gone = await refusal(api.sessions.get(sid));
      assert.ok(gone instanceof Management.NotFoundError);
      assert.equal(gone.body.errorCode, 'inexistent_session');
      await api.sessions.revoke(sid);
    }
    // A web application's refresh token outlives its session, but not a revocation.
    assert.equal(await refreshes(entered.find(({ sid }) => sid === sids[1])), false);
    assert.equal(await refreshes(entered.find(({ sid }) => sid === sids[2])), true);
    await api.users.sessions.delete(ada);
    assert.deepEqual(await all(api.users.sessions.list(ada)), []);
    const nobody = await refusal(api.users.sessions.list('auth0|nobody'));
    assert.ok(nobody instanceof Management.NotFoundError);
    const last = await signIn();
    await api.users.revokeAccess(ada, {});
    assert.deepEqual([await refreshes(last), (await all(api.users.sessions.list(ada))).length], [false, 0]);
  },

  async I3() {
    const api = operator();
    const entered = [await signIn(), await signIn(), await signIn(), await signIn()];
    const tokens = await all(api.users.refreshToken.list(ada, { take: 3 }));
    assert.equal(tokens.length, 4);
    assert.deepEqual(await all(api.refreshTokens.list({ user_id: ada, client_id: 'web', take: 3 })), tokens);
    assert.deepEqual(await all(api.refreshTokens.list({ user_id: ada, client_id: 'other' })), []);
    const of = ({ sid }) => tokens.find((one) => one.session_id === sid).id;
    const one = await api.refreshTokens.get(of(entered[0]));
    assert.deepEqual([one.user_id, one.client_id, one.session_id, one.rotating], [ada, 'web', entered[0].sid, false]);
    const changed = await api.refreshTokens.update(one.id, { refresh_token_metadata: { device: 'phone' } });
    assert.deepEqual(changed.refresh_token_metadata, { device: 'phone' });

    await api.refreshTokens.delete(one.id);
    assert.ok(await refusal(api.refreshTokens.get(one.id)) instanceof Management.NotFoundError);
    await api.refreshTokens.revoke({ ids: [one.id, of(entered[1])] });
    assert.deepEqual(await Promise.all(entered.map(refreshes)), [false, false, true, true]);
    await api.refreshTokens.revoke({ user_id: ada, client_id: 'other' });
    assert.ok(await refusal(api.refreshTokens.revoke({})) instanceof Management.BadRequestError);
    assert.deepEqual(await Promise.all(entered.map(refreshes)), [false, false, true, true]);
    await api.users.refreshToken.delete(ada);
    assert.deepEqual(await Promise.all(entered.map(refreshes)), [false, false, false, false]);
    assert.deepEqual(await all(api.users.refreshToken.list(ada)), []);
    // The sessions are as they were.
    assert.equal((await all(api.users.sessions.list(ada))).length, 4);
  },

  async I4() {
    const api = operator();
    const before = await api.tenants.settings.get();
    assert.deepEqual([before.session_lifetime, before.idle_session_lifetime], [168, 72]);
    const changed = await api.tenants.settings.update({ session_lifetime_in_minutes: 90, idle_session_lifetime_in_minutes: 1, friendly_name: 'Acme' });
    assert.deepEqual([changed.session_lifetime, changed.friendly_name], [1.5, 'Acme']);
    assert.deepEqual(await api.tenants.settings.get(), changed);
    const { sid } = await signIn();
    const { authenticated_at: from, idle_expires_at: idle, expires_at: end } = await api.sessions.get(sid);
    assert.deepEqual([new Date(idle) - new Date(from), new Date(end) - new Date(from)], [60_000, 5_400_000]);
    // Above the system's caps.
    const wrong = await refusal(api.tenants.settings.update({ session_lifetime: 9000 }));
    assert.ok(wrong instanceof Management.BadRequestError);
  },

  // More calls than are allowed: the client waits as it is told, and has all its answers.
  async I7() {
    const statuses = [];
    const fetching = async (url, options) => {
      const answer = await fetch(url, options);
      statuses.push(answer.status);
      if (answer.status === 429) {
        assert.ok(Number(answer.headers.get('retry-after')) >= 1);
        assert.ok(Number(answer.headers.get('x-ratelimit-reset')) >= Math.floor(Date.now() / 1000));
      }
      return answer;
    };
    const api = operator({ fetch: fetching });
    // Eight at once until the limit is reached; then all eight wait, and are let in.
    const worker = async () => {
      while (!statuses.includes(429)) assert.deepEqual((await api.users.sessions.list(ada)).data, []);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    assert.ok(statuses.filter((status) => status === 200).length > 100);
  },
};

await scenarios[scenario]();
console.log('all of it');
