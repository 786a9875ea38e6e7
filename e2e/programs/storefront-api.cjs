// An integration of the storefront's middleware: what it asks, it asks with the customer's access token.
const { apiClientFactory } = require('@vue-storefront/middleware');

async function getMe({ req, res, config }) {
  if (!req.oidc.isAuthenticated()) {
    res.status(401);
    return { error: 'login_required' };
  }
  const answer = await fetch(`${config.api.uri}/me`, { headers: { authorization: `Bearer ${req.oidc.accessToken.access_token}` } });
  return answer.json();
}

const { createApiClient } = apiClientFactory({
  onCreate: (config) => ({ config, client: {} }),
  api: { getMe },
});
module.exports = { createApiClient };
