import type { SessionMonitor, SessionState, TenureClient } from '@tenure/browser';
import { storeOf, type Begin, type Tenure } from '@tenure/browser/page';
import {
  createContext, useCallback, useContext, useEffect, useMemo, useReducer, useSyncExternalStore,
  type ReactElement, type ReactNode,
} from 'react';

export const TenureContext = createContext<Tenure | undefined>(undefined);

export interface TenureProviderProps extends Begin {
  /** Made once, outside of components, by `createTenureClient`. */
  client: TenureClient;
  children?: ReactNode;
}

/** Finishes a login with redirect, asks who is signed in, and lets the components below know. */
export function TenureProvider({ client, children, ...begin }: TenureProviderProps): ReactElement {
  const store = storeOf(client);
  const value = useSyncExternalStore(store.subscribe, store.get, () => store.initial);
  // How it begins is read once: a new function in each render must not end the watch.
  useEffect(() => store.connect(begin), [store]);
  return <TenureContext.Provider value={value}>{children}</TenureContext.Provider>;
}

/** Who is signed in, and how to sign in and out. @throws Error outside of a `TenureProvider` */
export function useTenure(): Tenure {
  const value = useContext(TenureContext);
  if (!value) throw new Error('@tenure/react: useTenure and RequireAuth need a TenureProvider around them');
  return value;
}

/** The monitor that is given, or the provider's. @throws Error without one */
export function useMonitor(given: SessionMonitor | undefined): SessionMonitor {
  const monitor = useContext(TenureContext)?.client.monitor;
  const found = given ?? monitor;
  if (found) return found;
  throw new Error('@tenure/react: a TenureProvider or the property `monitor` must say whose session it is');
}

export interface SessionOptions {
  /** What `monitorSession` returned; without it the client of the `TenureProvider`. */
  monitor?: SessionMonitor | undefined;
  /** Render each second, for a clock that always runs. In a warning that is so anyway. */
  everySecond?: boolean | undefined;
}

export interface Session extends SessionState {
  monitor: SessionMonitor;
}

const NOTHING: SessionState = { status: 'unknown', extendable: false };

/** How long the session lasts, and whether its end is near or there. @throws Error without a monitor */
export function useSession({ monitor: given, everySecond = false }: SessionOptions = {}): Session {
  const monitor = useMonitor(given);
  const subscribe = useCallback((listener: () => void) => monitor.subscribe(listener), [monitor]);
  const state = useSyncExternalStore(subscribe, () => monitor.state, () => NOTHING);
  const [, tick] = useReducer((count: number) => count + 1, 0);
  const ticking = everySecond && state.endsAt !== undefined && state.status !== 'ended';
  useEffect(() => {
    if (!ticking) return undefined;
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  const untilEnd = () => Math.max(0, Math.ceil((state.endsAt! - Date.now()) / 1000));
  const secondsLeft = ticking ? untilEnd() : state.secondsLeft;
  return useMemo(
    () => ({ ...state, ...(secondsLeft === undefined ? {} : { secondsLeft }), monitor }),
    [state, secondsLeft, monitor],
  );
}
