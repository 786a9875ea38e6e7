// Auth0's AuthenticationClient, unmodified, which speaks https alone: code grant, refresh, revocation.
import assert from 'node:assert/strict';
import { AuthenticationClient } from 'auth0/legacy';
import { Person } from '../lib/server.mjs';

const { base, redirect, secret } = JSON.parse(process.env.SETTINGS);
const client = new AuthenticationClient({ domain: new URL(base).host, clientId: 'web', clientSecret: secret });
const url = new URL('/authorize', base);
url.search = new URLSearchParams({ client_id: 'web', redirect_uri: redirect, response_type: 'code', scope: 'openid profile offline_access', state: 's', nonce: 'n' });
const code = (await new Person({ base }).authorize(url)).searchParams.get('code');

const { data: tokens } = await client.oauth.authorizationCodeGrant({ code, redirect_uri: redirect }, { idTokenValidateOptions: { nonce: 'n' } });
assert.ok(tokens.access_token && tokens.refresh_token);
// It refuses a refreshed ID token that has a nonce.
const { data: again } = await client.oauth.refreshTokenGrant({ refresh_token: tokens.refresh_token });
const claims = JSON.parse(Buffer.from(again.id_token.split('.')[1], 'base64url'));
assert.equal(claims.nonce, undefined);
assert.equal(claims.name, 'Ada');
const revoked = await client.oauth.revokeRefreshToken({ token: tokens.refresh_token });
assert.equal(revoked.status, 200);
const refused = await client.oauth.refreshTokenGrant({ refresh_token: tokens.refresh_token }).catch((error) => error);
assert.deepEqual([refused.error, refused.error_description], ['invalid_grant', 'Unknown or invalid refresh token.']);
console.log('all of it');
