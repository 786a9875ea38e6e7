import { storeOf } from '@tenure/browser/page';
import { useEffect, useState, type ReactElement, type ReactNode } from 'react';
import { useSession, useTenure } from './context.tsx';
import { english, why, type Texts } from './texts.ts';

export interface RequireAuthProps {
  children?: ReactNode;
  /** Shown until it is known who is signed in, and on the way to the login page. Nothing unless told otherwise. */
  fallback?: ReactNode;
  /** Shown when the sign-in is over, or did not succeed: a sentence and a button unless told otherwise. */
  signedOut?: ReactNode;
  /**
   * What becomes of the children when the session ends by time. `unmount` (default): they and their state are gone.
   * `hide`: they come back as they were when the same person signs in. `leave`: they stay as they are.
   */
  atEnd?: 'unmount' | 'hide' | 'leave';
  texts?: Texts;
}

/** Shows its children only to somebody who is signed in; sends others to the login page, and back here. */
export function RequireAuth({ children, fallback = null, signedOut, atEnd = 'unmount', texts = english }: RequireAuthProps): ReactElement {
  const { isLoading, isAuthenticated, user, error, client } = useTenure();
  const { status, reason } = useSession();
  const [known, setKnown] = useState(user?.sub);
  if (user && user.sub !== known) setKnown(user.sub);

  // Whose sign-in ends here is not sent away: they may be reading, signing out, or about to sign in elsewhere.
  const stranger = !isLoading && !isAuthenticated && !error && known === undefined;
  useEffect(() => {
    if (stranger) void storeOf(client).login();
  }, [stranger, client]);

  const byTime = !isLoading && !isAuthenticated && status === 'ended' && (reason === 'idle' || reason === 'absolute');
  const visible = isAuthenticated || (byTime && known !== undefined && atEnd === 'leave');
  const kept = visible || (known !== undefined && (isLoading || (byTime && atEnd === 'hide')));
  const over = !visible && !isLoading && !stranger;
  const sentence = error ? texts.loginFailed : `${texts.signedOut}. ${status === 'ended' ? why(texts, reason) : ''}`;
  const notice = (
    <div className="tenure-signed-out">
      <p role="status">{sentence}</p>
      <button type="button" onClick={() => void storeOf(client).login()}>
        {texts.signIn}
      </button>
    </div>
  );
  return (
    <>
      {kept && (
        <div key={known} hidden={!visible} style={{ display: visible ? 'contents' : 'none' }}>
          {children}
        </div>
      )}
      {over ? (signedOut ?? notice) : !visible && fallback}
    </>
  );
}
