// A foreign judge: openid-client through discovery, code flow, refresh, userinfo, introspection, PAR, revocation and logout.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as oidc from 'openid-client';
import { Person, Server } from '../lib/server.mjs';

const callback = 'http://localhost:3001/callback';
const tenant = `
clients:
  - client_id: web
    client_secret: "s3cr-et~1 x"
    name: Web
    callbacks: ["${callback}"]
    allowed_logout_urls: ["http://localhost:3001"]
  - client_id: public
    name: Public
    app_type: native
    callbacks: ["http://127.0.0.1/cb"]
resourceServers:
  - {identifier: "https://api.example.com", name: API, scopes: [{value: "read:x"}], allow_offline_access: true}
clientGrants:
  - {client_id: Web, audience: "https://api.example.com", scope: ["read:x"]}
users:
  - {email: ada@example.com, name: Ada, email_verified: true, password: correct horse}
`;

let server;
before(async () => { server = await Server.start(tenant, { manualClock: false }); });
after(() => server.stop());

const discover = (id, auth) =>
  oidc.discovery(new URL(server.base), id, undefined, auth, { execute: [oidc.allowInsecureRequests] });

async function codeFlow(config, parameters, redirect_uri = callback, person = new Person(server), options = undefined) {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
  const request = {
    redirect_uri, state: expectedState, nonce: expectedNonce, ...parameters,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
  };
  const url = parameters.par ? await oidc.buildAuthorizationUrlWithPAR(config, { ...request, par: '' }, options) : oidc.buildAuthorizationUrl(config, request);
  const landed = await person.authorize(url);
  return oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }, undefined, options);
}

for (const [name, auth] of [
  ['client_secret_basic', oidc.ClientSecretBasic('s3cr-et~1 x')],
  ['client_secret_post', oidc.ClientSecretPost('s3cr-et~1 x')],
]) {
  test(`code flow, userinfo, refresh, introspection, revocation, logout with ${name}`, async () => {
    const config = await discover('web', auth);
    const person = new Person(server);
    const tokens = await codeFlow(config, { scope: 'openid profile email offline_access', max_age: '600' }, callback, person);
    const claims = tokens.claims();
    assert.equal(claims.iss, server.issuer);
    assert.equal(claims.name, 'Ada');
    assert.ok(claims.auth_time && claims.sid);
    // A confidential client's offline tokens do not end by time here, so no end is claimed.
    assert.equal(claims.session_expiry, undefined);
    const user = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.equal(user.email, 'ada@example.com');
    const again = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(again.claims().sid, claims.sid);
    assert.equal((await oidc.tokenIntrospection(config, again.access_token)).active, true);
    await oidc.tokenRevocation(config, again.refresh_token);
    await assert.rejects(oidc.refreshTokenGrant(config, again.refresh_token), { error: 'invalid_grant' });
    assert.equal((await oidc.tokenIntrospection(config, again.access_token)).active, false);
    const out = oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: 'http://localhost:3001', state: 'bye' });
    const gone = await person.request(out);
    assert.equal(gone.status, 302);
    assert.equal(gone.headers.get('location'), 'http://localhost:3001/?state=bye');
  });
}

test('a public client with a loopback port of its own', async () => {
  const config = await discover('public', oidc.None());
  const tokens = await codeFlow(config, { scope: 'openid offline_access' }, 'http://127.0.0.1:49152/cb');
  const again = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(again.refresh_token, tokens.refresh_token);
});

test('pushed authorization requests', async () => {
  const config = await discover('web', oidc.ClientSecretPost('s3cr-et~1 x'));
  const tokens = await codeFlow(config, { scope: 'openid', par: 'yes' });
  assert.ok(tokens.id_token);
});

test('client credentials', async () => {
  const config = await discover('web', oidc.ClientSecretPost('s3cr-et~1 x'));
  const tokens = await oidc.clientCredentialsGrant(config, { audience: 'https://api.example.com' });
  assert.equal(tokens.scope, 'read:x');
  assert.equal(tokens.refresh_token, undefined);
});

test('a wrong secret is invalid_client, in words that the client library sees', async () => {
  const config = await discover('web', oidc.ClientSecretPost('wrong'));
  await assert.rejects(oidc.clientCredentialsGrant(config, { audience: 'https://api.example.com' }), { error: 'invalid_client' });
});

test('a wrong secret in the Authorization header is challenged (RFC 6749 section 5.2)', async () => {
  const config = await discover('web', oidc.ClientSecretBasic('wrong'));
  await assert.rejects(oidc.clientCredentialsGrant(config, { audience: 'https://api.example.com' }), (error) => {
    assert.equal(error.status, 401);
    assert.equal(error.cause[0].scheme, 'basic');
    return true;
  });
});

for (const algorithm of ['ES256', 'RS256', 'Ed25519']) {
  test(`DPoP with a key for ${algorithm}: bound tokens, a refresh, userinfo, a pushed request`, async () => {
    const config = await discover('public', oidc.None());
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(algorithm));
    const redirect = 'http://127.0.0.1:49153/cb';
    const jkt = await DPoP.calculateThumbprint();
    const tokens = await codeFlow(config, { scope: 'openid email offline_access', dpop_jkt: jkt }, redirect, undefined, { DPoP });
    assert.equal(tokens.token_type, 'dpop');
    const user = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
    assert.equal(user.email, 'ada@example.com');
    const again = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    assert.notEqual(again.refresh_token, tokens.refresh_token);
    await assert.rejects(oidc.refreshTokenGrant(config, again.refresh_token), { error: 'invalid_grant' });
    const web = await discover('web', oidc.ClientSecretPost('s3cr-et~1 x'));
    const confidential = await codeFlow(web, { scope: 'openid', par: 'yes' }, callback, undefined, { DPoP });
    assert.equal((await oidc.tokenIntrospection(web, confidential.access_token)).cnf.jkt, jkt);
    await assert.rejects(oidc.fetchUserInfo(web, confidential.access_token, confidential.claims().sub), (error) => {
      assert.deepEqual([error.status, error.cause[0].scheme, error.cause[0].parameters.error], [401, 'dpop', 'invalid_token']);
      return true;
    });
  });
}
