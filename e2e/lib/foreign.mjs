// node-oidc-provider with its development pages, as an identity provider that is not ours.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';
import { freePort } from './server.mjs';

const people = {
  'grace@foreign.example': { email: 'grace@foreign.example', email_verified: true, name: 'Grace Foreign' },
};

// Like many providers it keeps the address out of the ID token, and knows no `select_account`.
export async function foreignProvider(base) {
  const port = await freePort();
  const provider = new Provider(`http://localhost:${port}`, {
    clients: [{
      client_id: 'tenure',
      client_secret: 'foreign-secret',
      redirect_uris: [`${base}/login/callback`],
      post_logout_redirect_uris: [`${base}/logout/callback`],
    }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id, ...people[id] }) }),
    cookies: { keys: ['e2e'] },
  });
  const server = createServer(provider.callback());
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const connection = (name, title) => `
  - name: ${name}
    display_name: ${title}
    strategy: oidc
    options: {issuer: "http://localhost:${port}", client_id: tenure, client_secret: foreign-secret, token_endpoint_auth_method: client_secret_basic}`;
  return { issuer: `http://localhost:${port}`, connection, stop: () => new Promise((resolve) => server.close(resolve)) };
}

// It asks for consent once in a session.
export async function signInThere(page, { again = false } = {}) {
  await page.locator('input[name=login]').fill('grace@foreign.example');
  await page.locator('input[name=password]').fill('anything');
  await page.locator('button[type=submit]').click();
  if (!again) await page.getByRole('button', { name: 'Continue' }).click();
}
