import type { MonitorOptions, SessionMonitor } from './monitor/types.ts';

export interface TenureClientOptions {
  /** The server's issuer, `https://login.example.com/`; a loopback one may be http. */
  issuer: string;
  clientId: string;
  /** One of the client's callbacks. `location.origin` unless told otherwise. */
  redirectUri?: string | undefined;
  /** The API that tokens are for, unless a call names another one. */
  audience?: string | undefined;
  /** `openid profile email` unless told otherwise. `openid` is always asked for. */
  scope?: string | undefined;
  /** Ask for a refresh token, and use it before the invisible frame. `false` unless told otherwise. */
  useRefreshTokens?: boolean | undefined;
  /**
   * `offline` (default): the refresh token outlives the session, and using it is no activity (scope `offline_access`).
   * `online`: it ends with the session, and using it keeps the session alive (scope `online_access`).
   */
  refreshTokenMode?: 'offline' | 'online';
  /** `memory` (default), or `localstorage`, which survives a reload and is readable by every script of the page. */
  cacheLocation?: 'memory' | 'localstorage';
  /** Bind tokens to a key that cannot leave this browser (RFC 9449). `false` unless told otherwise. */
  useDpop?: boolean | undefined;
  /** Where the refresh tokens' worker is served from, for pages whose policy forbids `blob:` workers. */
  workerUrl?: string | undefined;
  /** Seconds to wait for the invisible frame. 10 unless told otherwise. */
  silentTimeout?: number | undefined;
  /** How the session is watched. */
  monitor?: MonitorOptions;
  /** Further parameters of every authorization request. */
  authorizationParams?: Record<string, string> | undefined;
}

/** What an authorization request asks for. */
export interface AuthorizationOptions {
  audience?: string | undefined;
  scope?: string | undefined;
  prompt?: 'login' | 'consent' | 'select_account' | undefined;
  /** Seconds: the person must have signed in within them. */
  maxAge?: number | undefined;
  loginHint?: string | undefined;
  /** Further parameters, sent as they are. */
  authorizationParams?: Record<string, string> | undefined;
}

export interface RedirectLoginOptions<AppState = unknown> extends AuthorizationOptions {
  /** Comes back from `handleRedirectCallback`: where the person wanted to go. Must be serialisable as JSON. */
  appState?: AppState | undefined;
  redirectUri?: string | undefined;
  /** Goes to the address; `location.assign` unless told otherwise. */
  openUrl?: (url: string) => void | Promise<void> | undefined;
}

export interface PopupLoginOptions extends AuthorizationOptions {
  /** A window that is open already, where the click was handled elsewhere. */
  popup?: Window | undefined;
  /** Seconds to wait for the person. 300 unless told otherwise. */
  timeout?: number | undefined;
}

export interface GetTokenOptions {
  audience?: string | undefined;
  scope?: string | undefined;
  /** `on` (default): the cache first. `off`: a new token. `cache-only`: never asks the server. */
  cacheMode?: 'on' | 'off' | 'cache-only';
}

export interface LogoutOptions {
  /** One of the client's logout URLs; without one the person stays at the server. */
  returnTo?: string | undefined;
  /** Also sign out at the identity provider that the person came from. */
  federated?: boolean | undefined;
  /** Goes to the address; `location.assign` unless told otherwise. `false`: forget everything here, and leave the session alone. */
  openUrl?: false | ((url: string) => void | Promise<void>);
}

export interface RecentLoginOptions<AppState = unknown> {
  /** `popup` (default) resolves when the person has signed in; `redirect` leaves the page. */
  via?: 'popup' | 'redirect';
  /** With `redirect`: comes back from `handleRedirectCallback`. */
  appState?: AppState | undefined;
}

export interface RedirectCallbackResult<AppState = unknown> {
  appState: AppState | undefined;
  /** The address was handled before: a reload, or the back button. */
  repeated: boolean;
}

/** The person who is signed in: the ID token's claims without those of the protocol. */
export interface User {
  sub: string;
  name?: string | undefined;
  given_name?: string | undefined;
  family_name?: string | undefined;
  nickname?: string | undefined;
  preferred_username?: string | undefined;
  picture?: string | undefined;
  email?: string | undefined;
  email_verified?: boolean | undefined;
  phone_number?: string | undefined;
  phone_number_verified?: boolean | undefined;
  locale?: string | undefined;
  updated_at?: string | number;
  [claim: string]: unknown;
}

/** All claims of the ID token. Instants are Unix seconds by the server's clock. */
export interface IdTokenClaims extends User {
  iss: string;
  aud: string | string[];
  exp: number;
  iat: number;
  auth_time?: number | undefined;
  sid?: string | undefined;
  session_expiry?: number | undefined;
}

/** What is known of the sign-in in this tab; the same object until it changes. */
export interface AuthState {
  isAuthenticated: boolean;
  user: User | undefined;
}

export type AuthListener = (state: AuthState) => void;

export interface TenureClient {
  /** What is known of the sign-in, without asking anybody. The same object until it changes. */
  readonly authState: AuthState;
  /** Follows the session. It starts by itself with the first token, or with `start()`. */
  readonly monitor: SessionMonitor;

  /** Hears of each change of `authState`. Returns how to stop. */
  subscribe(listener: AuthListener): () => void;

  /** Leaves the page for the server's login page. */
  loginWithRedirect<AppState = unknown>(options?: RedirectLoginOptions<AppState>): Promise<void>;
  /**
   * Finishes a login with redirect, and takes its parameters out of the address. `undefined` if the address has none.
   * Calling it twice, reloading and going back are safe.
   * @throws TenureError the server's error, with the `appState`; or `missing_transaction`, `state_mismatch`, `invalid_response`, `network`
   */
  handleRedirectCallback<AppState = unknown>(url?: string): Promise<RedirectCallbackResult<AppState> | undefined>;
  /** Signs in in a window of its own. @throws TenureError `popup_blocked`, `popup_closed`, `timeout`, or the server's error */
  loginWithPopup(options?: PopupLoginOptions): Promise<void>;

  /** Asks quietly whether somebody is signed in, after a reload for example. Only broken machinery throws. */
  checkSession(): Promise<boolean>;
  /**
   * An access token: from the cache, else by a refresh token, else through an invisible frame.
   * With `cache-only`, `undefined` if there is none.
   * @throws TenureError `login_required`, `consent_required`, `third_party_cookies_blocked`, `frame_refused`, `timeout`, `network`
   */
  getTokenSilently(options: GetTokenOptions & { cacheMode: 'cache-only' }): Promise<string | undefined>;
  getTokenSilently(options?: GetTokenOptions): Promise<string>;
  /** `fetch` with an access token, and a DPoP proof where the client uses them. */
  fetch(input: string | URL, init?: RequestInit & Pick<GetTokenOptions, 'audience' | 'scope'>): Promise<Response>;

  isAuthenticated(): Promise<boolean>;
  getUser(): Promise<User | undefined>;
  getIdTokenClaims(): Promise<IdTokenClaims | undefined>;

  /** Forgets everything, in all tabs, and ends the session at the server. */
  logout(options?: LogoutOptions): Promise<void>;
  /** Revokes this tab's refresh tokens at the server. With `online` ones that ends the session. */
  revokeRefreshToken(): Promise<void>;
  /**
   * Returns at once if the person signed in within so many seconds; else lets them sign in again, and checks `auth_time`.
   * @throws TenureError `login_too_old`, or what `loginWithPopup` throws
   */
  requireRecentLogin(seconds: number, options?: RecentLoginOptions): Promise<void>;

  /** Closes channels, the worker and the monitor. */
  close(): void;
}
