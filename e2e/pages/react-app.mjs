// A small React application on Auth0's provider. `window.settings` says where the server is.
import { createElement as h } from 'react';
import { createRoot } from 'react-dom/client';
import { Auth0Provider, useAuth0 } from '@auth0/auth0-react';

function Shop() {
  const auth = useAuth0();
  window.auth = auth;
  if (auth.isLoading) return h('p', null, 'one moment');
  if (auth.error) return h('p', { role: 'alert' }, `${auth.error.error ?? ''}: ${auth.error.message}`);
  if (!auth.isAuthenticated) return h('button', { onClick: () => auth.loginWithRedirect() }, 'Log in');
  const leave = () => auth.logout({ logoutParams: { returnTo: location.origin } });
  return h('section', null, h('p', null, `Hello ${auth.user.name}`), h('button', { onClick: leave }, 'Log out'));
}

const { domain, clientId, ...more } = window.settings;
const provider = { domain, clientId, authorizationParams: { redirect_uri: location.origin }, ...more };
createRoot(document.getElementById('root')).render(h(Auth0Provider, provider, h(Shop)));
