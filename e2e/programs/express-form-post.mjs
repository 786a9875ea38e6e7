// A web application over TLS with express-openid-connect's defaults: an ID token by form_post.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import express from 'express';
import { auth } from 'express-openid-connect';

const { issuer, port, tls } = JSON.parse(process.env.SETTINGS);
const site = express();
// Each answer behind `auth` renews the cookie of the application session. A browser asks for the icon when it likes: an
// answer that overtakes the logout's would bring the cookie back, and the person would be signed in again.
site.get('/favicon.ico', (request, response) => response.status(204).end());
site.use(auth({
  issuerBaseURL: issuer, baseURL: `https://localhost:${port}`, clientID: 'shop', secret: 'a long enough secret for cookies',
  authRequired: false, idpLogout: true,
}));
site.get('/', (request, response) => response.send(request.oidc.isAuthenticated() ? `<p>Hello ${request.oidc.user.name}</p>` : '<p>Hello stranger</p>'));
const credentials = { key: readFileSync(tls.key), cert: readFileSync(tls.cert) };
createServer(credentials, site).listen(port, '127.0.0.1', () => console.log('ready'));
