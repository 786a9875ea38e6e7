// The shop that logs its customers out after one minute without activity, with Express and
// express-openid-connect as it is. tenant.yaml of examples/axum-shop is the provider's side.
//
//   SECRET=$(openssl rand -base64 32) node examples/express-shop/shop.mjs
import { fileURLToPath } from 'node:url';
import express from 'express';
import { auth } from 'express-openid-connect';

// What express-openid-connect takes; middleware.config.js of an Alokai storefront has the same object under
// integrations.auth0.configuration.oidc.
export const oidc = ({ issuerBaseURL, baseURL, clientID, clientSecret, secret }) => ({
  issuerBaseURL, baseURL, clientID, clientSecret, secret,
  authRequired: false,
  idpLogout: false,
  idTokenSigningAlg: 'RS256',
  authorizationParams: {
    response_type: 'code',
    scope: 'openid profile email offline_access',
    audience: 'https://api.acme.example',
  },
  session: { rolling: true, rollingDuration: 60, absoluteDuration: 8 * 3600 },
});

// express-openid-connect renews nothing by itself. This renews the access token when it has expired, and signs the
// person out at once when the provider refuses. Tenure answers the refresh of a second tab with the first one's
// token (retry_window), so parallel requests need no lock.
export const keepFresh = (sessionName = 'appSession') => async (request, response, next) => {
  const token = request.oidc.isAuthenticated() ? request.oidc.accessToken : undefined;
  if (!token?.isExpired() || !request.oidc.refreshToken) return next();
  try {
    await token.refresh();
  } catch (error) {
    const over = error.error === 'invalid_grant' || error.code === 'ERR_SESSION_EXPIRED';
    // A provider that does not answer signs nobody out.
    if (over) request[sessionName] = undefined;
  }
  return next();
};

// On logout the refresh token is revoked as well: express-openid-connect does not.
export const revokeOnLogout = ({ revocationEndpoint, clientID, clientSecret }) => async (request, response, next) => {
  const token = request.oidc.refreshToken;
  if (token) {
    const body = new URLSearchParams({ token, client_id: clientID, client_secret: clientSecret });
    await fetch(revocationEndpoint, { method: 'POST', body }).catch(() => {});
  }
  return next();
};

export function shop(settings) {
  const site = express();
  // Polling must not count as activity: what stands before auth() never touches the session.
  site.get('/poll', (request, response) => response.json({ now: Date.now() }));
  site.use(auth({ ...oidc(settings), routes: { logout: false } }));
  site.use(keepFresh());
  site.post('/logout', revokeOnLogout(settings), (request, response) => response.oidc.logout({ returnTo: settings.baseURL }));
  site.get('/', (request, response) => response.json({ user: request.oidc.isAuthenticated() ? request.oidc.user.sub : null }));
  return site;
}

// By itself it is the shop of the client `inactivity`, in front of a provider on this machine.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { SECRET: secret, PORT: port = '3104', ISSUER: issuer = 'http://localhost:7100' } = process.env;
  if (!secret) {
    console.error('SECRET is not set: it seals the cookies, 32 characters or more (openssl rand -base64 32)');
    process.exit(2);
  }
  const baseURL = `http://localhost:${port}`;
  const client = { clientID: 'inactivity', clientSecret: 'inactivity-secret' };
  const site = shop({ issuerBaseURL: issuer, revocationEndpoint: `${issuer}/oauth/revoke`, baseURL, secret, ...client });
  site.listen(Number(port), '127.0.0.1', () => console.log(`${baseURL}  (sign in at ${baseURL}/login)`));
}
