import { Account } from './account.ts';
import { localStore, memoryStore, TokenCache } from './cache.ts';
import { TenureError } from './errors.ts';
import { Login } from './login.ts';
import { Monitor } from './monitor/shell.ts';
import type { EndReason } from './monitor/types.ts';
import { Wire } from './monitor/wire.ts';
import { check } from './options.ts';
import { Protocol, TOO_OLD } from './protocol.ts';
import { TokenSource } from './tokens.ts';
import type {
  AuthListener, GetTokenOptions, LogoutOptions, PopupLoginOptions, RecentLoginOptions, RedirectLoginOptions, TenureClient, TenureClientOptions,
} from './types.ts';
import { openVault, type Vault } from './vault.ts';

/** Ends that also end the refresh tokens of a browser's application, unless its registration says otherwise. */
const ENDS_EVERYTHING: (EndReason | undefined)[] = ['user_logout', 'upstream_logout', 'admin_revoked', 'credential_change', 'account_disabled'];

/** Seconds by which the instant of a login may be off: it is told in whole ones. */
const ROUNDING = 1;

/**
 * Makes a client. Asks nobody anything yet, unless local storage has tokens: then the monitor starts.
 * @throws TenureError `invalid_options`
 */
export function createTenureClient(options: TenureClientOptions): TenureClient {
  return new Client(options, check(options));
}

/** A browser may forbid it, or be full: then memory must do. */
function canStore(): boolean {
  try {
    localStorage.setItem('tenure', '');
    localStorage.removeItem('tenure');
    return true;
  } catch {
    return false;
  }
}

class Client implements TenureClient {
  readonly #options: TenureClientOptions;
  readonly #vault: Vault;
  readonly #protocol: Protocol;
  readonly #account: Account;
  readonly #tokens: TokenSource;
  readonly #login: Login;
  readonly monitor: Monitor;

  constructor(options: TenureClientOptions, issuer: URL) {
    const local = options.cacheLocation === 'localstorage' && canStore();
    const prefix = `tenure.${options.clientId}.`;
    this.#options = options;
    this.#vault = openVault({
      origin: issuer.origin,
      local: local ? `${prefix}refresh.` : undefined,
      worker: options.useRefreshTokens === true,
      workerUrl: options.workerUrl,
    });
    this.#protocol = new Protocol(issuer, options, this.#vault);
    this.#account = new Account(new TokenCache(local ? localStore(`${prefix}tokens`) : memoryStore()));
    this.#tokens = new TokenSource(options, this.#protocol, this.#vault, this.#account);
    this.#login = new Login(options, this.#protocol, this.#tokens);
    this.monitor = this.#watch(issuer);
    if (this.#account.last) this.monitor.start();
  }

  /** The monitor knows the tokens, and the account hears of the end. */
  #watch(issuer: URL): Monitor {
    const getToken = async ({ cacheMode }: { cacheMode: 'on' | 'off' | 'cache-only' }) =>
      cacheMode === 'cache-only' ? this.#account.last?.accessToken : this.getTokenSilently({ cacheMode });
    const wire = new Wire(issuer, getToken, () => this.#protocol.sender());
    const monitor = new Monitor(`tenure ${issuer.href} ${this.#options.clientId}`, wire, this.#options.monitor ?? {});
    this.#tokens.onTokens = () => {
      if (!monitor.stopped) void monitor.checkNow();
    };
    this.#tokens.onSignedOut = () => {
      if (!monitor.stopped && monitor.state.status !== 'unknown') void monitor.checkNow();
    };
    monitor.on('ended', ({ reason }) => {
      const { last } = this.#account;
      // Online refresh tokens end with the session, whatever ended it.
      const evenRefreshing = this.#options.refreshTokenMode === 'online' || ENDS_EVERYTHING.includes(reason);
      if (last && (last.claims.sid ?? monitor.endedSid) === monitor.endedSid) this.#tokens.forget(evenRefreshing);
    });
    return monitor;
  }

  get authState() {
    return this.#account.state;
  }

  subscribe(listener: AuthListener) {
    return this.#account.subscribe(listener);
  }

  loginWithRedirect<AppState>(options: RedirectLoginOptions<AppState> = {}) {
    return this.#login.withRedirect(options);
  }

  handleRedirectCallback<AppState>(url: string = location.href) {
    return this.#login.callback<AppState>(url);
  }

  // Not async before the window is open: a browser lets one open within a click only.
  loginWithPopup(options: PopupLoginOptions = {}) {
    return this.#login.withPopup(options);
  }

  async checkSession() {
    if (this.authState.isAuthenticated) return true;
    try {
      await this.#tokens.get({});
    } catch (error) {
      // `login_required`, `consent_required` and so on, `third_party_cookies_blocked`.
      if (!/_(required|blocked)$/.test((error as TenureError).code)) throw error;
    }
    return this.authState.isAuthenticated;
  }

  getTokenSilently(options: GetTokenOptions & { cacheMode: 'cache-only' }): Promise<string | undefined>;
  getTokenSilently(options?: GetTokenOptions): Promise<string>;
  async getTokenSilently(options: GetTokenOptions = {}): Promise<string | undefined> {
    return (await this.#tokens.get(options))?.accessToken;
  }

  async fetch(input: string | URL, { audience, scope, ...init }: RequestInit & Pick<GetTokenOptions, 'audience' | 'scope'> = {}) {
    const [token, send] = [await this.getTokenSilently({ audience, scope }), await this.#protocol.sender()];
    return send(new URL(input, location.href), init, token);
  }

  async isAuthenticated() {
    return this.authState.isAuthenticated;
  }

  async getUser() {
    return this.authState.user;
  }

  async getIdTokenClaims() {
    return this.#account.claims;
  }

  async logout({ returnTo, federated, openUrl }: LogoutOptions = {}) {
    const idToken = this.#account.last?.idToken;
    // Where the server cannot be reached nobody is signed out there, and must not believe to be.
    const url = openUrl !== false && (await this.#protocol.endpoint('end_session_endpoint'));
    this.#tokens.signOut({ evenRefreshing: true });
    if (!url) return;
    url.searchParams.set('client_id', this.#options.clientId);
    if (idToken) url.searchParams.set('id_token_hint', idToken);
    if (returnTo) url.searchParams.set('post_logout_redirect_uri', returnTo);
    if (federated) url.searchParams.set('federated', '');
    await (openUrl ?? ((address: string) => location.assign(address)))(url.href);
  }

  async revokeRefreshToken() {
    await this.#tokens.alone(() => this.#protocol.revoke());
    // What hangs on an ended family is worth nothing; what hangs on the session is renewed quietly.
    this.#account.cache.clear();
    if (this.#options.refreshTokenMode === 'online') this.#tokens.signOut({ evenRefreshing: true });
  }

  async requireRecentLogin(seconds: number, { via = 'popup', appState }: RecentLoginOptions = {}) {
    if (!(seconds >= 0)) throw new TenureError('invalid_options', 'seconds: must be a number');
    if (this.#sinceLogin() <= seconds) return;
    const [maxAge, began] = [Math.floor(seconds), Date.now()];
    const { email: loginHint } = this.authState.user ?? {};
    if (via === 'redirect') return this.loginWithRedirect({ maxAge, loginHint, appState });
    await this.loginWithPopup({ maxAge, loginHint });
    const took = (Date.now() - began) / 1000;
    if (this.#sinceLogin() > seconds + took + ROUNDING) throw new TenureError('login_too_old', TOO_OLD);
  }

  /** Seconds since the person signed in: by the server's clock until the last token, by ours since then. */
  #sinceLogin(): number {
    const { last } = this.#account;
    if (!this.authState.isAuthenticated || last?.claims.auth_time === undefined) return Infinity;
    return last.claims.iat - last.claims.auth_time + (Date.now() - last.obtainedAt) / 1000;
  }

  close() {
    this.monitor.stop();
    this.#tokens.close();
    this.#vault.close();
  }
}

