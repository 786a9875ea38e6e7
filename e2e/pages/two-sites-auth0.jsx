// One of two sites, with Auth0's SPA SDK as it is published; beside it Tenure's monitor and dialog.
import { Auth0Client } from '@auth0/auth0-spa-js';
import { monitorSession } from '@tenure/browser';
import { SessionTimeoutModal, useSession } from '@tenure/react';
import '@tenure/react/styles.css';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Order, Route } from './order.jsx';

const root = document.getElementById('root');
const { issuer, clientId, cacheLocation, audience, api } = JSON.parse(root.dataset.settings);
const auth = new Auth0Client({
  domain: issuer.replace(/\/$/, ''), clientId, cacheLocation, authorizationParams: { redirect_uri: location.origin, audience },
});
const monitor = monitorSession({ issuer, clientId, extendOnActivity: false, getToken: ({ cacheMode }) => auth.getTokenSilently({ cacheMode }) });
Object.assign(window, { sid: () => auth.getIdTokenClaims().then((claims) => claims?.sid), monitor });

async function ask(method) {
  const token = await auth.getTokenSilently();
  return fetch(api, { method, headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.text());
}
const signIn = () => auth.loginWithRedirect({ appState: { targetUrl: location.pathname + location.search } });

// Shows what is private to somebody who is signed in; sends a stranger to the login page, but nobody whose session ended here.
function Private({ user, stranger, children }) {
  useEffect(() => {
    if (stranger) void signIn();
  }, [stranger]);
  return user ? children : null;
}

function Site({ known }) {
  const [user, setUser] = useState(known);
  const { status } = useSession({ monitor });
  // Whoever signs out at one site is signed out at all.
  useEffect(() => monitor.on('ended', () => {
    void auth.logout({ openUrl: false });
    setUser(undefined);
  }), []);
  const signOut = () => auth.logout({ logoutParams: { returnTo: `${location.origin}/bye` } });
  return (
    <>
      <header>
        <output id="who">{user?.name ?? 'nobody'}</output> <output id="status">{status}</output> <button onClick={signOut}>Log out</button>
      </header>
      <Route><Private user={user} stranger={!known}><Order ask={ask} /></Private></Route>
      <SessionTimeoutModal monitor={monitor} onStay={() => auth.getTokenSilently({ cacheMode: 'off' })} onSignIn={signIn} onSignOut={signOut} />
    </>
  );
}

async function begin() {
  if (new URLSearchParams(location.search).has('state')) {
    const { appState } = await auth.handleRedirectCallback();
    history.replaceState(null, '', appState.targetUrl);
  } else {
    await auth.checkSession();
  }
  createRoot(root).render(<Site known={await auth.getUser()} />);
}
void begin();
