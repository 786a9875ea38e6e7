import type { SessionMonitor, SessionState, TenureError } from '@tenure/browser';
import { useContext, useEffect, useId, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactElement, type SyntheticEvent } from 'react';
import { TenureContext, useSession } from './context.tsx';
import { here } from './store.ts';
import { duration, english, type Texts } from './texts.ts';

export interface SessionTimeoutModalProps {
  /** What `monitorSession` returned, beside another SDK; without it the client of the `TenureProvider`. */
  monitor?: SessionMonitor;
  /** Keeps the session alive. `monitor.extend()` unless told otherwise. */
  onStay?: () => unknown;
  /** `client.logout()`, back to this origin, unless told otherwise. */
  onSignOut?: () => unknown;
  /** `client.loginWithRedirect()`, and back to this page, unless told otherwise. */
  onSignIn?: () => unknown;
  /** With `atEnd: 'nothing'`: whether somebody is signed in, by now. `client.checkSession()` unless told otherwise. */
  onCheck?: () => unknown;
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
export function phaseOf(before: Phase, status: SessionState['status']): Phase {
  if (status === 'offline' || (status === 'ended' && before === 'before')) return before;
  return status === 'unknown' ? 'before' : status;
}

/** Seconds at which a screen reader tells what is left. Each second would drown everything else. */
const SPOKEN = [10, 30, 60, 120, 300, 600];
const UNSEEN: CSSProperties = { position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)', whiteSpace: 'nowrap' };

/** Warns before the session ends, and lets the person stay; after the end, lets them sign in again. */
export function SessionTimeoutModal(props: SessionTimeoutModalProps): ReactElement {
  const { atEnd = 'sign-in', texts = english, className = 'tenure-modal' } = props;
  const auth = useContext(TenureContext);
  const { status, reason, extendable, secondsLeft = 0, monitor } = useSession({ monitor: props.monitor });
  const [phase, setPhase] = useState<Phase>('before');
  const [dismissed, setDismissed] = useState(false);
  const [returned, setReturned] = useState(false);
  const [trouble, setTrouble] = useState(false);
  const next = phaseOf(phase, status);
  if (next !== phase) {
    setPhase(next);
    setDismissed(false);
    setReturned(false);
    setTrouble(false);
  }

  const ended = phase === 'ended';
  const tellsEnd = ended && !(auth?.isAuthenticated && !props.monitor) && (atEnd === 'sign-in' || (atEnd === 'nothing' && returned));
  const open = (phase === 'warning' && !dismissed) || tellsEnd;
  const dialog = useRef<HTMLDialogElement>(null);
  const primary = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (open && !dialog.current!.open) {
      dialog.current!.showModal();
      primary.current!.focus();
    } else if (!open) dialog.current!.close();
  }, [open]);

  const goTo = ended && typeof atEnd === 'object' ? new URL(atEnd.goTo, location.href).href : undefined;
  useEffect(() => {
    if (goTo !== undefined && goTo !== location.href) location.assign(goTo);
  }, [goTo]);

  const check = useRef<() => unknown>(undefined);
  check.current = props.onCheck ?? (() => auth?.client.checkSession());
  const waits = ended && atEnd === 'nothing' && !returned;
  useEffect(() => (waits ? onReturn(async () => {
    const signedIn = await Promise.resolve(check.current!()).catch(() => false);
    if (signedIn) await monitor.checkNow();
    else setReturned(true);
  }) : undefined), [waits, monitor]);

  const busy = useRef(false);
  const run = async (what: (() => unknown) | undefined) => {
    if (busy.current) return;
    busy.current = true;
    setTrouble(false);
    try {
      await what?.();
    } catch {
      setTrouble(true);
    } finally {
      busy.current = false;
    }
  };
  const { onStay, onSignOut, onSignIn } = props;
  const stay = () => (extendable ? run(async () => {
    await (onStay ? onStay() : extend(monitor, auth?.client));
    await monitor.checkNow();
  }) : setDismissed(true));
  const signOut = () => run(onSignOut ?? (() => auth?.client.logout({ returnTo: location.origin })));
  const signIn = () => run(async () => {
    await (onSignIn ? onSignIn() : auth?.client.loginWithRedirect({ appState: here() }));
    await monitor.checkNow();
  });
  // Escape is what somebody does who is there and wants to go on. It never signs out; and after the end, when they may
  // not have seen that it is too late, it does not take that news away.
  const escape = (event: SyntheticEvent | KeyboardEvent) => {
    if ('key' in event && event.key !== 'Escape') return;
    event.preventDefault();
    if (!ended) void stay();
  };
  // Browsers may close a dialog without asking when Escape comes twice.
  const closed = () => {
    if (open && !dialog.current!.open) dialog.current!.showModal();
  };

  const id = useId();
  const step = SPOKEN.find((seconds) => secondsLeft <= seconds);
  const countdown = texts.willEnd(duration(secondsLeft, texts.lang));
  const spoken = useMemo(() => countdown, [step, texts]);
  const [title, text] = ended ? [texts.endedTitle, texts.ended(reason)] : [texts.stillThere, extendable ? '' : texts.cannotStay];
  return (
    <dialog ref={dialog} role="alertdialog" aria-modal="true" aria-labelledby={`${id}title`} aria-describedby={`${id}text`} className={className} onKeyDown={escape} onCancel={escape} onClose={closed}>
      {open && (
        <>
          <h2 id={`${id}title`}>{title}</h2>
          <div id={`${id}text`}>
            {text && <p>{text}</p>}
            {!ended && status !== 'offline' && <p role="timer">{countdown}</p>}
          </div>
          <p role="status" style={UNSEEN}>{ended ? `${title}. ${text}` : spoken}</p>
          {(trouble || status === 'offline') && <p role="alert">{status === 'offline' ? texts.offline : texts.failed}</p>}
          <div className="tenure-modal-buttons">
            <button ref={primary} type="button" onClick={() => void (ended ? signIn() : stay())}>
              {ended ? texts.signIn : extendable ? texts.stay : texts.understood}
            </button>
            {!ended && <button type="button" onClick={() => void signOut()}>{texts.signOut}</button>}
          </div>
        </>
      )}
    </dialog>
  );
}

/** An application that may not extend can still ask for a token, which is an activity too. */
async function extend(monitor: SessionMonitor, client: { getTokenSilently(options: { cacheMode: 'off' }): Promise<string>; } | undefined) {
  try {
    await monitor.extend();
  } catch (error) {
    if (!client || (error as TenureError).code !== 'extension_refused') throw error;
    await client.getTokenSilently({ cacheMode: 'off' });
  }
}

/** Calls back when somebody looks at the page again, or touches it. */
function onReturn(then: () => unknown): () => void {
  const left = new AbortController();
  let asking = false;
  const back = async () => {
    if (asking || document.visibilityState !== 'visible') return;
    asking = true;
    await then();
    asking = false;
  };
  for (const name of ['focus', 'pointerdown', 'keydown']) addEventListener(name, () => void back(), { signal: left.signal });
  document.addEventListener('visibilitychange', () => void back(), { signal: left.signal });
  return () => left.abort();
}
