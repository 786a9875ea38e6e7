import type { SessionMonitor, SessionState, TenureClient, TenureError } from '@tenure/browser';
import { here } from '@tenure/browser/page';
import { useContext, useEffect, useMemo, useState, type ReactElement } from 'react';
import { TenureContext, useSession, type Session } from './context.tsx';
import { Dialog, useRun } from './dialog.tsx';
import { countdown, english, why, type Texts } from './texts.ts';

export interface SessionTimeoutModalProps {
  /** What `monitorSession` returned, beside another SDK; without it the client of the `TenureProvider`. */
  monitor?: SessionMonitor | undefined;
  /** Keeps the session alive. `monitor.extend()` unless told otherwise. */
  onStay?: (() => unknown) | undefined;
  /** `client.logout()`, back to this origin, unless told otherwise. */
  onSignOut?: (() => unknown) | undefined;
  /** `client.loginWithRedirect()`, and back to this page, unless told otherwise. */
  onSignIn?: (() => unknown) | undefined;
  /** With `atEnd="nothing"`: whether somebody is signed in by now. `client.checkSession()` unless told otherwise. */
  onCheck?: (() => unknown) | undefined;
  /**
   * When the session has ended. `sign-in` (default): a button to sign in again. `nothing`: the dialog goes away; when
   * the person comes back it is asked whether they signed in elsewhere, and if not there is the button.
   * `{ goTo }`: a landing page.
   */
  atEnd?: 'sign-in' | 'nothing' | { goTo: string };
  texts?: Texts;
  className?: string;
}

type Phase = 'before' | 'active' | 'warning' | 'ended';

/** Only whose session was seen alive hears of its end; without a network the dialog stays as it is. */
function phaseOf(before: Phase, status: SessionState['status']): Phase {
  if (status === 'offline' || (status === 'ended' && before === 'before')) return before;
  return status === 'unknown' ? 'before' : status;
}

/** Warns before the session ends, and lets the person stay; after the end, lets them sign in again. */
export function SessionTimeoutModal(props: SessionTimeoutModalProps): ReactElement | null {
  const auth = useContext(TenureContext);
  const session = useSession(props);
  const [before, setPhase] = useState<Phase>('before');
  const phase = phaseOf(before, session.status);
  if (phase !== before) setPhase(phase);
  if (phase === 'warning') return <Warning {...props} session={session} client={auth?.client} />;
  // Offline refresh tokens outlive the session: then nobody is signed out.
  if (phase !== 'ended' || (auth?.isAuthenticated && !props.monitor)) return null;
  return <Ended {...props} session={session} client={auth?.client} />;
}

interface PartProps extends SessionTimeoutModalProps {
  session: Session;
  client: TenureClient | undefined;
}

/** Seconds at which a screen reader tells what is left. Each second would drown everything else. */
const SPOKEN = [10, 30, 60, 120, 300, 600];

function Warning({ session, client, texts = english, className, onStay, onSignOut }: PartProps): ReactElement | null {
  const { monitor, extendable, secondsLeft = 0, status } = session;
  const [dismissed, setDismissed] = useState(false);
  const [failed, run] = useRun();
  const left = countdown(texts, secondsLeft);
  const step = SPOKEN.find((seconds) => secondsLeft <= seconds);
  const spoken = useMemo(() => left, [step, texts]);
  if (dismissed) return null;

  const extend = async () => {
    await (onStay ?? (() => keepAlive(monitor, client)))();
    await monitor.checkNow();
  };
  // Escape is what somebody does who is there and wants to go on. It never signs out.
  const stay = () => (extendable ? run(extend) : setDismissed(true));
  const signOut = () => run(onSignOut ?? (() => client?.logout({ returnTo: location.origin })));
  const buttons = [{ text: extendable ? texts.stay : texts.understood, press: stay }, { text: texts.signOut, press: signOut }];
  const offline = status === 'offline';
  const alert = offline ? texts.offline : failed && texts.failed;
  return (
    <Dialog title={extendable ? texts.stillThere : texts.endsSoon} buttons={buttons} escape={stay} spoken={spoken} alert={alert} className={className}>
      {!extendable && <p>{texts.cannotStay}</p>}
      {!offline && <p role="timer">{left}</p>}
    </Dialog>
  );
}

/** An application that may not extend can still ask for a token, which is an activity too. */
async function keepAlive(monitor: SessionMonitor, client: TenureClient | undefined): Promise<void> {
  try {
    await monitor.extend();
  } catch (error) {
    if (!client || (error as TenureError).code !== 'extension_refused') throw error;
    await client.getTokenSilently({ cacheMode: 'off' });
  }
}

/** Escape does nothing here: who pressed it to stay, a moment too late, must not overlook that it is over. */
function Ended({ session, client, texts = english, className, atEnd = 'sign-in', onSignIn, onCheck }: PartProps): ReactElement | null {
  const { monitor, reason } = session;
  const [told, setTold] = useState(atEnd === 'sign-in');
  const [failed, run] = useRun();
  const goTo = typeof atEnd === 'object' ? new URL(atEnd.goTo, location.href).href : undefined;
  useEffect(() => {
    if (goTo !== undefined && goTo !== location.href) location.assign(goTo);
  }, [goTo]);
  useEffect(() => {
    if (told || atEnd !== 'nothing') return undefined;
    return onReturn(async () => {
      const signedIn = await Promise.resolve((onCheck ?? (() => client?.checkSession()))()).catch(() => false);
      if (signedIn) await monitor.checkNow();
      else setTold(true);
    });
  });
  if (!told) return null;

  const signIn = async () => {
    await (onSignIn ?? (() => client?.loginWithRedirect({ appState: here() })))();
    await monitor.checkNow();
  };
  const buttons = [{ text: texts.signIn, press: () => run(signIn) }];
  return (
    <Dialog title={texts.signedOut} buttons={buttons} alert={failed && texts.failed} className={className}>
      <p>{why(texts, reason)}</p>
    </Dialog>
  );
}

/** Calls back when somebody looks at the page again, or touches it. */
function onReturn(then: () => Promise<void>): () => void {
  const left = new AbortController();
  const { signal } = left;
  const back = () => document.visibilityState === 'visible' && void then();
  for (const name of ['focus', 'pointerdown', 'keydown']) addEventListener(name, back, { signal });
  document.addEventListener('visibilitychange', back, { signal });
  return () => left.abort();
}
