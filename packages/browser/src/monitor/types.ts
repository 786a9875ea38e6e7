/** Why a session ended, or will end. */
export type EndReason =
  | 'user_logout'
  | 'admin_revoked'
  | 'idle'
  | 'absolute'
  | 'upstream_logout'
  | 'upstream_expired'
  | 'credential_change'
  | 'account_disabled'
  | 'policy_change'
  | 'reuse_detected'
  | 'session_limit'
  | 'superseded';

/**
 * What is known of the session. The same object until something changes; in `warning` it changes each second.
 * Instants are milliseconds comparable with `Date.now()` in this page, whatever its clock says.
 */
export interface SessionState {
  /** `unknown`: nobody is signed in, or nobody was asked. `offline`: the server cannot be reached. */
  readonly status: 'unknown' | 'active' | 'warning' | 'ended' | 'offline';
  /** When it ends without activity. `Infinity` where that never ends it. */
  readonly idleDeadline?: number;
  /** When it ends despite activity. `Infinity`: never. */
  readonly absoluteDeadline?: number;
  /** The instant to count down to; after the end, when it was. */
  readonly endsAt?: number;
  /** The rule that sets `endsAt`: `stored_idle`, `setting_idle`, `stored_absolute`, `setting_absolute`; after the end also others. */
  readonly rule?: string;
  /** Why it will end, or ended. Absent where the server does not say. */
  readonly reason?: EndReason;
  /** Whether `extend()` can move `endsAt`. */
  readonly extendable: boolean;
  /** Whole seconds until `endsAt`, as of this state. */
  readonly secondsLeft?: number;
}

export interface MonitorEvents {
  /** The end is near; `state.extendable` says whether it can be put off. Once for each deadline. */
  warning: SessionState;
  /** The deadline moved: by this tab, by another one, or by another application. */
  extended: SessionState;
  /** The server says that the session is over; `state.reason` says why. */
  ended: SessionState;
  /** Anything in `state` changed. */
  change: SessionState;
}

export interface SessionMonitor {
  readonly state: SessionState;
  /** For `useSyncExternalStore`: called after each change of `state`. Returns how to stop. */
  subscribe(listener: () => void): () => void;
  on<Name extends keyof MonitorEvents>(event: Name, listener: (state: MonitorEvents[Name]) => void): () => void;
  /**
   * Keeps the session alive: an activity at the server.
   * @throws TenureError `session_ended`, `extension_refused`, `network`
   */
  extend(): Promise<void>;
  /** Asks the server for the present state. Never an activity. Resolves also when the server cannot be reached. */
  checkNow(): Promise<void>;
  /** Begins to watch. Does nothing when it watches already. */
  start(): void;
  /** Ends timers, the stream and listeners. The last state stays. */
  stop(): void;
}

export interface MonitorOptions {
  /** Seconds before the end at which `warning` is raised. 60 unless told otherwise, but at most half of the idle timeout. */
  warnBefore?: number;
  /** Whether what the person does in this page (pointer, keyboard) keeps the session alive, at most every tenth of its idle timeout. `true` unless told otherwise. */
  extendOnActivity?: boolean;
  /** Whether one tab holds a stream open, so that an end or an extension elsewhere is known at once. `true` unless told otherwise. */
  events?: boolean;
}

/** Watches a session beside another SDK. */
export interface MonitorSessionOptions extends MonitorOptions {
  /**
   * The server's issuer; or the application's own address where tenure-app keeps its session (with `events: false`, for
   * it has no stream).
   */
  issuer: string;
  /** Tabs of one client share what they know. */
  clientId: string;
  /**
   * Yields an access token, or nothing. Called with `cache-only` when the server is asked, so that asking renews
   * nothing; with `on` or `off` when the person keeps the session alive.
   * Leave it out where the page is on the same site as the server: then its cookie speaks.
   */
  getToken?: (options: { cacheMode: 'on' | 'off' | 'cache-only' }) => Promise<string | undefined>;
}
