// One of two sites, with Tenure's SDK.
import { createTenureClient } from '@tenure/browser';
import { RequireAuth, SessionTimeoutModal, TenureProvider, useSession, useTenure } from '@tenure/react';
import '@tenure/react/styles.css';
import { createRoot } from 'react-dom/client';
import { Order, Route } from './order.jsx';

const root = document.getElementById('root');
const { issuer, clientId, cacheLocation, audience, api } = JSON.parse(root.dataset.settings);
const client = createTenureClient({ issuer, clientId, cacheLocation, audience, monitor: { extendOnActivity: false } });
Object.assign(window, { sid: () => client.getIdTokenClaims().then((claims) => claims?.sid), monitor: client.monitor });
const ask = (method) => client.fetch(api, { method }).then((answer) => answer.text());

function Header() {
  const { user, logout } = useTenure();
  const { status } = useSession();
  return (
    <header>
      <output id="who">{user?.name ?? 'nobody'}</output> <output id="status">{status}</output>{' '}
      <button onClick={() => logout({ returnTo: `${location.origin}/bye` })}>Log out</button>
    </header>
  );
}

createRoot(root).render(
  <TenureProvider client={client}>
    <Header />
    <Route><RequireAuth><Order ask={ask} /></RequireAuth></Route>
    <SessionTimeoutModal />
  </TenureProvider>,
);
