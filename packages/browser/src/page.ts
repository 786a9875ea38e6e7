/**
 * What a page knows of the sign-in, for whatever framework shows it: a component may mount twice, an answer is handled
 * once. `@tenure/react` stands on it.
 */
import type { SessionMonitor, SessionState } from './monitor/types.ts';
import type { TenureClient, User } from './types.ts';

const METHODS = ['loginWithRedirect', 'loginWithPopup', 'logout', 'getTokenSilently', 'fetch', 'requireRecentLogin'] as const;
type Methods = Pick<TenureClient, (typeof METHODS)[number]>;

/** Who is signed in, and how to sign in and out; the same object until something changes. */
export interface Tenure extends Methods {
  /** Nothing is known yet. Also after the back button brought the page back, until the server was asked. */
  isLoading: boolean;
  isAuthenticated: boolean;
  user: User | undefined;
  /** Why the last login did not succeed. Gone when somebody is signed in. */
  error: Error | undefined;
  client: TenureClient;
}

export interface Begin {
  /** This address belongs to another library. */
  skipRedirectCallback?: boolean | undefined;
  onRedirectCallback?: ((appState: { returnTo?: string } | undefined) => void) | undefined;
}

const stores = new WeakMap<TenureClient, Store>();

/** The one store of a client. */
export function storeOf(client: TenureClient): Store {
  const store = stores.get(client) ?? new Store(client);
  stores.set(client, store);
  return store;
}

export class Store {
  readonly #client: TenureClient;
  readonly #listeners = new Set<() => void>();
  /** Before anything is known; what a server renders. */
  readonly initial: Tenure;
  #now: Tenure;
  #error: Error | undefined;
  #begun = false;
  #mounted = false;
  #leaving: Promise<void> | undefined;
  /** Questions that are not answered yet. */
  #open = 0;

  constructor(client: TenureClient) {
    this.#client = client;
    const methods = Object.fromEntries(METHODS.map((name) => [name, (client[name] as () => unknown).bind(client)])) as unknown as Methods;
    this.initial = { ...methods, client, isLoading: true, isAuthenticated: false, user: undefined, error: undefined };
    this.#now = this.initial;
  }

  /** The state as it is now: it fits `useSyncExternalStore`, and the like of other frameworks. */
  readonly get = (): Tenure => this.#now;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #show(next: Tenure): void {
    this.#now = next;
    for (const listener of [...this.#listeners]) listener();
  }

  #settle(): void {
    if (this.#open) return;
    const { isAuthenticated, user } = this.#client.authState;
    if (isAuthenticated) this.#error = undefined;
    // Once stopped, by a first mount for example, it does not start by itself.
    if (isAuthenticated && this.#mounted) this.#client.monitor.start();
    this.#show({ ...this.initial, isLoading: false, isAuthenticated, user, error: this.#error });
  }

  /**
   * Finishes a login with redirect, asks who is signed in, and watches the session until what it returns is called:
   * while the component is mounted that shows it.
   */
  connect(begin: Begin = {}): () => void {
    const unmount = new AbortController();
    const { signal } = unmount;
    this.#mounted = true;
    const unsubscribe = this.#client.subscribe(() => this.#settle());
    addEventListener('pagehide', ({ persisted }) => persisted && this.#freeze(), { signal });
    addEventListener('pageshow', ({ persisted }) => persisted && void this.#thaw(), { signal });
    document.addEventListener('freeze', () => this.#freeze(), { signal });
    document.addEventListener('resume', () => void this.#thaw(), { signal });
    if (!this.#begun) void this.#begin(begin);
    else this.#settle();
    return () => {
      unsubscribe();
      unmount.abort();
      this.#mounted = false;
      this.#client.monitor.stop();
    };
  }

  async #begin({ skipRedirectCallback, onRedirectCallback = restore }: Begin): Promise<void> {
    this.#begun = true;
    this.#open += 1;
    // What was stored by an earlier page may be over since then.
    const stored = this.#client.authState.isAuthenticated;
    try {
      const answer = skipRedirectCallback ? undefined : await this.#client.handleRedirectCallback<{ returnTo?: string }>();
      if (answer) onRedirectCallback(answer.appState);
    } catch (error) {
      this.#error = error as Error;
    }
    await this.#client.checkSession().catch((error: Error) => {
      this.#error ??= error;
    });
    if (stored) await this.#confirm({ patient: false });
    this.#open -= 1;
    this.#settle();
  }

  /** The page may come back as it is now, after somebody signed out: so nothing private may be on it. */
  #freeze(): void {
    this.#open += 1;
    this.#show(this.initial);
    // A page that holds locks and streams is not kept for the back button.
    this.#client.monitor.stop();
  }

  async #thaw(): Promise<void> {
    // Without a network nobody can say who is signed in; whoever pulled the cable sees nothing.
    await this.#confirm({ patient: true });
    this.#open -= 1;
    this.#settle();
  }

  /** Asks the server whether what is believed still holds. */
  async #confirm({ patient }: { patient: boolean }): Promise<void> {
    const { authState, monitor } = this.#client;
    if (!authState.isAuthenticated) return;
    await monitor.checkNow();
    while (patient && monitor.state.status === 'offline') await change(monitor);
    // No token proves a session any more: a new one would.
    if (monitor.state.status === 'unknown') await this.#client.getTokenSilently({ cacheMode: 'off' }).catch(() => undefined);
  }

  /** Leaves for the login page, once, and in place of this page: going back from there must not lead there again. */
  login(): Promise<void> {
    const openUrl = (url: string) => location.replace(url);
    this.#leaving ??= this.#client
      .loginWithRedirect({ appState: here(), openUrl })
      .catch((error: Error) => {
        this.#error = error;
        this.#settle();
      })
      // Whoever stops the way there is still here, and may want to go again.
      .finally(() => {
        this.#leaving = undefined;
      });
    return this.#leaving;
  }
}

/** What becomes of a private part of a page when the session ends by time. */
export type AtEnd = 'unmount' | 'hide' | 'leave';

export interface Access {
  /** The private part; `hidden`: it keeps its state, and nobody sees or reaches it. */
  part: 'shown' | 'hidden' | 'gone';
  /** What stands in its place: the `notice` that the sign-in is over or did not succeed, or nothing final yet. */
  instead: 'nothing' | 'waiting' | 'notice';
  /** Somebody of whom nothing is known goes to the login page. */
  leave: boolean;
}

/**
 * Who may see a private part of a page. `known` is the user to whom it was shown before, if it was: whose sign-in ends
 * here is not sent away, since they may be reading, signing out, or about to sign in elsewhere.
 */
export function accessOf(who: Tenure, { status, reason }: SessionState, known: string | undefined, atEnd: AtEnd): Access {
  const { isLoading, isAuthenticated, error } = who;
  if (isAuthenticated) return { part: 'shown', instead: 'nothing', leave: false };
  if (isLoading) return { part: known === undefined ? 'gone' : 'hidden', instead: 'waiting', leave: false };
  if (known === undefined) return { part: 'gone', instead: error ? 'notice' : 'waiting', leave: !error };
  const byTime = status === 'ended' && (reason === 'idle' || reason === 'absolute');
  if (byTime && atEnd === 'leave') return { part: 'shown', instead: 'nothing', leave: false };
  return { part: byTime && atEnd === 'hide' ? 'hidden' : 'gone', instead: 'notice', leave: false };
}

/** This address, for `appState`. */
export const here = () => ({ returnTo: location.pathname + location.search + location.hash });

/** Routers listen to `popstate`. */
function restore(appState: { returnTo?: string } | undefined): void {
  if (appState?.returnTo === undefined) return;
  history.replaceState(history.state, '', appState.returnTo);
  dispatchEvent(new PopStateEvent('popstate', { state: history.state as unknown }));
}

const change = (monitor: SessionMonitor) =>
  new Promise<void>((resolve) => {
    const unsubscribe = monitor.on('change', () => {
      unsubscribe();
      resolve();
    });
  });
