// What needs no browser: wrong options, and a page that is rendered on a server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTenureClient, monitorSession, TenureError } from '../dist/index.js';
import { scopes } from '../.build/options.js';

const good = { issuer: 'https://login.example.com/', clientId: 'shop' };

for (const [name, wrong, words] of [
  ['an issuer that is no address', { issuer: 'login.example.com' }, /issuer/],
  ['an issuer over http', { issuer: 'http://login.example.com/' }, /https/],
  ['an issuer with a query', { issuer: 'https://login.example.com/?a=b' }, /issuer/],
  ['no client id', { clientId: '' }, /clientId/],
  ['no time for the frame', { silentTimeout: 0 }, /silentTimeout/],
  ['a warning at no time', { monitor: { warnBefore: NaN } }, /warnBefore/],
]) {
  test(`${name} is refused, and named`, () => {
    const refused = (error) => error instanceof TenureError && error.code === 'invalid_options' && words.test(error.message);
    assert.throws(() => createTenureClient({ ...good, ...wrong }), refused);
  });
}

test('the monitor beside another SDK refuses the same', () => {
  assert.throws(() => monitorSession({ ...good, issuer: 'http://login.example.com' }), { code: 'invalid_options' });
  assert.throws(() => monitorSession({ ...good, clientId: '' }), { code: 'invalid_options' });
});

for (const issuer of ['https://login.example.com', 'http://localhost:7100/', 'http://127.0.0.1:7100', 'http://[::1]:7100']) {
  test(`the issuer ${issuer} will do`, () => createTenureClient({ ...good, issuer }).close());
}

test('a client can be made where there is no page, and knows nobody', async () => {
  const client = createTenureClient({ ...good, cacheLocation: 'localstorage' });
  assert.deepEqual(client.authState, { isAuthenticated: false, user: undefined });
  assert.equal(client.authState, client.authState);
  assert.equal(client.monitor.state.status, 'unknown');
  assert.equal(await client.getTokenSilently({ cacheMode: 'cache-only' }), undefined);
  client.close();
});

for (const [texts, all] of [
  [[], ['openid']],
  [['profile email', 'offline_access'], ['openid', 'profile', 'email', 'offline_access']],
  [['email openid  email', ''], ['openid', 'email']],
]) {
  test(`scopes of ${JSON.stringify(texts)}`, () => assert.deepEqual(scopes(...texts), all));
}
