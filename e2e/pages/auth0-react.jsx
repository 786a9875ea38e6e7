// What an application with Auth0's React SDK looks like that shows Tenure's dialog.
import { Auth0Provider, useAuth0, withAuthenticationRequired } from '@auth0/auth0-react';
import { monitorSession } from '@tenure/browser';
import { SessionTimeoutModal, useSession } from '@tenure/react';
import '@tenure/react/styles.css';
import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

const root = document.getElementById('root');
const { issuer } = JSON.parse(root.dataset.settings);

function SessionTimeout() {
  const { isAuthenticated, getAccessTokenSilently, loginWithRedirect, logout } = useAuth0();
  const [monitor, setMonitor] = useState();
  useEffect(() => {
    if (!isAuthenticated) return undefined;
    const watching = monitorSession({
      issuer, clientId: 'shop', extendOnActivity: false, getToken: ({ cacheMode }) => getAccessTokenSilently({ cacheMode }),
    });
    setMonitor(watching);
    return () => watching.stop();
  }, [isAuthenticated, getAccessTokenSilently]);
  if (!monitor) return null;
  window.client = { monitor };
  return (
    <>
      <Status monitor={monitor} />
      <SessionTimeoutModal
        monitor={monitor}
        atEnd={new URLSearchParams(location.search).get('atEnd') ?? 'sign-in'}
        onStay={() => getAccessTokenSilently({ cacheMode: 'off' })}
        onCheck={() => getAccessTokenSilently({ cacheMode: 'off' })}
        onSignIn={() => loginWithRedirect({ appState: { returnTo: location.pathname } })}
        onSignOut={() => logout({ logoutParams: { returnTo: location.origin } })}
      />
    </>
  );
}

const Status = ({ monitor }) => <output id="status">{useSession({ monitor }).status}</output>;
const Who = () => <output id="who">{useAuth0().user?.name ?? 'nobody'}</output>;
const Order = withAuthenticationRequired(() => <main><h1>Order 7</h1><button>Send</button></main>);

createRoot(root).render(
  <StrictMode>
    <Auth0Provider domain={issuer.replace(/\/$/, '')} clientId="shop" authorizationParams={{ redirect_uri: location.origin }}>
      <Who />
      <Order />
      <SessionTimeout />
    </Auth0Provider>
  </StrictMode>,
);
