// A relying party in one file: code flow with PKCE, silent renewal in a frame, refresh, logout.
// The deadlines it draws are those it can know from its tokens.
const issuer = document.body.dataset.issuer;
const client = 'sample';
const redirect = `${location.origin}/`;
const scope = 'openid profile email offline_access';
const find = (id) => document.getElementById(id);

let tokens = null;
const random = () => encode(crypto.getRandomValues(new Uint8Array(32)));
const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
const claims = (token) => JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));

function note(text) {
  const item = document.createElement('li');
  item.textContent = `${new Date().toLocaleTimeString()} — ${text}`;
  find('log').prepend(item);
}

async function request(extra) {
  const verifier = random();
  const challenge = encode(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)));
  const state = random();
  const query = new URLSearchParams({
    client_id: client, redirect_uri: redirect, response_type: 'code', scope, state, nonce: random(),
    code_challenge: challenge, code_challenge_method: 'S256', ...extra,
  });
  return { url: `${issuer}/authorize?${query}`, verifier, state };
}

async function exchange(body) {
  const answer = await fetch(`${issuer}/oauth/token`, { method: 'POST', body: new URLSearchParams({ client_id: client, ...body }) });
  const json = await answer.json();
  if (!answer.ok) throw new Error(`${json.error}: ${json.error_description}${json.reason ? ` (${json.reason})` : ''}`);
  tokens = { ...json, received: Date.now() / 1000 };
  return tokens;
}

async function login() {
  const { url, verifier, state } = await request({});
  sessionStorage.setItem('transaction', JSON.stringify({ verifier, state }));
  location.assign(url);
}

async function callback() {
  const query = new URLSearchParams(location.search);
  if (!query.has('state')) return false;
  const transaction = JSON.parse(sessionStorage.getItem('transaction') ?? '{}');
  sessionStorage.removeItem('transaction');
  history.replaceState(null, '', '/');
  if (query.get('state') !== transaction.state) return false;
  if (query.has('error')) { note(`not signed in: ${query.get('error_description')}`); return true; }
  await exchange({ grant_type: 'authorization_code', code: query.get('code'), code_verifier: transaction.verifier, redirect_uri: redirect });
  note('signed in');
  return true;
}

async function silent() {
  const { url, verifier, state } = await request({ prompt: 'none', response_mode: 'web_message' });
  const frame = document.createElement('iframe');
  frame.hidden = true;
  const response = await new Promise((resolve) => {
    addEventListener('message', function hear(event) {
      if (event.origin !== issuer || event.data?.type !== 'authorization_response') return;
      removeEventListener('message', hear);
      resolve(event.data.response);
    });
    frame.src = url;
    document.body.append(frame);
  });
  frame.remove();
  if (response.error) {
    tokens = null;
    note(`silent renewal: ${response.error_description}`);
  } else if (response.state === state) {
    await exchange({ grant_type: 'authorization_code', code: response.code, code_verifier: verifier, redirect_uri: redirect });
    note('renewed silently: the session\'s idle time starts anew');
  }
}

async function refresh() {
  if (!tokens?.refresh_token) { note('there is no refresh token: sign in first'); return; }
  try {
    await exchange({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
    note('refreshed: new tokens, but no activity of the session');
  } catch (error) {
    tokens = null;
    note(error.message);
  }
}

function logout() {
  const query = new URLSearchParams({ client_id: client, post_logout_redirect_uri: redirect });
  if (tokens) query.set('id_token_hint', tokens.id_token);
  location.assign(`${issuer}/oidc/logout?${query}`);
}

function draw() {
  const id = tokens && claims(tokens.id_token);
  find('who').textContent = id ? `Signed in as ${id.name ?? id.email ?? id.sub}.` : 'You are not signed in here.';
  if (!id) { find('lanes').innerHTML = '<p class="soft">Nothing yet: sign in first.</p>'; return; }
  const access = claims(tokens.access_token);
  const lanes = [
    ['Access token', access.iat, access.exp],
    ['ID token', id.iat, id.exp],
    ['Session, at the latest', id.auth_time, id.session_expiry ?? id.exp],
  ];
  // The server's clock may have been moved: count from what it said when the tokens came.
  const now = id.iat + (Date.now() / 1000 - tokens.received);
  find('lanes').replaceChildren(...lanes.map(([name, from, to]) => {
    const lane = document.createElement('div');
    lane.className = 'lane';
    const left = Math.max(0, Math.round(to - now));
    lane.innerHTML = '<span></span><div class="track"><div class="fill"></div></div><span class="left"></span>';
    lane.children[0].textContent = name;
    lane.children[1].firstChild.style.width = `${Math.max(0, Math.min(100, (100 * (to - now)) / (to - from)))}%`;
    lane.children[2].textContent = left > 0 ? `${Math.floor(left / 60)} min ${left % 60} s` : 'over';
    return lane;
  }));
}

find('login').addEventListener('click', login);
find('silent').addEventListener('click', () => silent().then(draw));
find('refresh').addEventListener('click', () => refresh().then(draw));
find('logout').addEventListener('click', logout);
setInterval(draw, 1000);
if (!(await callback())) await silent();
draw();
