// What an application with @tenure/react looks like. The address says how it is set up: `?atEnd=nothing`.
import { createTenureClient } from '@tenure/browser';
import { german, RequireAuth, SessionTimeoutModal, TenureProvider, useSession, useTenure } from '@tenure/react';
import '@tenure/react/styles.css';
import { StrictMode, useState, version } from 'react';
import { createRoot } from 'react-dom/client';

const root = document.getElementById('root');
const settings = JSON.parse(root.dataset.settings);
// The way back from the login has an address of its own, so what was chosen is kept.
const chosen = location.search && !location.search.includes('state=') ? location.search : (sessionStorage.getItem('chosen') ?? '');
sessionStorage.setItem('chosen', chosen);
const choice = new URLSearchParams(chosen);

const client = createTenureClient({
  issuer: settings.issuer, clientId: choice.get('client') ?? 'shop', cacheLocation: choice.get('cache') ?? 'memory',
  useRefreshTokens: choice.has('refresh'), monitor: { extendOnActivity: false, events: !choice.has('quiet') },
});
Object.assign(window, { client, seen: [], heard: [] });
for (const name of ['warning', 'extended', 'ended']) client.monitor.on(name, (state) => window.heard.push({ name, ...state }));

function Header() {
  const { isLoading, isAuthenticated, user, error, logout } = useTenure();
  const { status, secondsLeft } = useSession({ everySecond: choice.has('clock') });
  window.seen.push({ isLoading, isAuthenticated, status });
  return (
    <header>
      <output id="who">{isLoading ? 'loading' : isAuthenticated ? user.name : 'nobody'}</output> <output id="status">{status}</output>{' '}
      <output id="left">{secondsLeft}</output> <output id="error">{error?.code}</output>
      <output id="react" hidden>{version}</output>
      <button onClick={() => logout({ returnTo: location.origin })}>Log out</button>
    </header>
  );
}

function Order() {
  const [text, setText] = useState('');
  window.privateRendered();
  window.seen.push('private');
  return (
    <main>
      <h1>Order 7</h1>
      <label>Note <input value={text} onChange={(event) => setText(event.target.value)} /></label>
      <button onClick={() => { window.clicked = true; }}>Send</button>
    </main>
  );
}

const landing = choice.get('goTo');
const texts = choice.get('lang') === 'de' ? { texts: german } : {};
const inPopup = choice.has('popup') ? { onSignIn: () => client.loginWithPopup() } : {};
createRoot(root).render(
  <StrictMode>
    <TenureProvider client={client} skipRedirectCallback={location.pathname === '/other'}>
      <Header />
      {['/public', '/bye', '/other'].includes(location.pathname) ? <p>Public</p> : (
        <RequireAuth atEnd={choice.get('private') ?? 'unmount'} fallback={<p>One moment</p>} {...texts}><Order /></RequireAuth>
      )}
      <SessionTimeoutModal atEnd={landing ? { goTo: landing } : (choice.get('atEnd') ?? 'sign-in')} {...texts} {...inPopup} />
    </TenureProvider>
  </StrictMode>,
);
