// What @auth0/nextjs-auth0 sends, request by request, with the library that it is made of (oauth4webapi).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { Person, Server } from '../lib/server.mjs';

const redirect = 'http://localhost:3000/auth/callback';
const home = 'http://localhost:3000';
const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: 'next' };
const credentials = oauth.ClientSecretPost("s3cr-et~1 x");

let server, as, listening, told;
before(async () => {
  told = [];
  listening = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => {
      told.push(new URLSearchParams(body).get('logout_token'));
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: 60, session_lifetime_in_minutes: 480}
clients:
  - client_id: next
    name: Next
    client_secret: "s3cr-et~1 x"
    callbacks: ["${redirect}"]
    allowed_logout_urls: ["${home}"]
    oidc_logout: {backchannel_logout_urls: ["http://localhost:${listening.address().port}/auth/backchannel-logout"]}
users:
  - {email: ada@example.com, name: Ada, email_verified: true, password: correct horse}
`, { manualClock: false });
  const issuer = new URL(server.issuer);
  as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
});
after(async () => {
  await server?.stop();
  listening?.close();
  listening?.closeAllConnections();
});

async function signIn(person = new Person(server)) {
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: 'next', redirect_uri: redirect, response_type: 'code', scope: 'openid profile email offline_access', state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const params = oauth.validateAuthResponse(as, client, await person.authorize(url), state);
  const response = await oauth.authorizationCodeGrantRequest(as, client, credentials, params, redirect, verifier, insecure);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true });
  return { person, tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(as, client, credentials, token, insecure);
  return oauth.processRefreshTokenResponse(as, client, response);
}

test('H1: login with client_secret_post, an ID token and its sid', async () => {
  const { tokens, claims } = await signIn();
  assert.equal(claims.name, 'Ada');
  assert.equal(typeof claims.sid, 'string');
  assert.ok(tokens.refresh_token && tokens.expires_in > 0);
});

test('H2: logout revokes with exactly 200, then leaves by /oidc/logout without a question', async () => {
  const { person, tokens, claims } = await signIn();
  const revoked = await oauth.revocationRequest(as, client, credentials, tokens.refresh_token, { ...insecure, additionalParameters: { token_type_hint: 'refresh_token' } });
  assert.equal(revoked.status, 200);
  await oauth.processRevocationResponse(revoked);
  await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' });
  const url = new URL(as.end_session_endpoint);
  url.search = new URLSearchParams({ client_id: 'next', post_logout_redirect_uri: home, logout_hint: claims.sid, id_token_hint: tokens.id_token });
  const gone = await person.request(url);
  assert.deepEqual([gone.status, gone.headers.get('location')], [302, home]);
  assert.equal((await server.show(claims.sid)).end.reason, 'user_logout');
});

test('H3: a refresh brings an ID token of the same session', async () => {
  const { tokens, claims } = await signIn();
  const again = await refresh(tokens.refresh_token);
  const renewed = oauth.getValidatedIdTokenClaims(again);
  assert.deepEqual([renewed.sid, renewed.sub, renewed.auth_time], [claims.sid, claims.sub, claims.auth_time]);
});

test('H4: the logout token has iat, a text as sid, the event and no nonce', async () => {
  const { person, claims } = await signIn();
  const before = told.length;
  await person.request(`/v2/logout?${new URLSearchParams({ client_id: 'next', returnTo: home })}`);
  assert.equal(told.length, before + 1, 'told before the person is sent on');
  // As the SDK checks it: by the published keys.
  const keys = createRemoteJWKSet(new URL(as.jwks_uri));
  const { payload: said } = await jwtVerify(told.at(-1), keys, { issuer: server.issuer, audience: 'next', algorithms: ['RS256'] });
  assert.deepEqual([said.sid, said.iss, said.aud, said.nonce], [claims.sid, server.issuer, 'next', undefined]);
  assert.ok(Number.isInteger(said.iat));
  assert.equal(typeof said.events['http://schemas.openid.net/event/backchannel-logout'], 'object');
});
