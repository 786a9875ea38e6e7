import { english, notice, type Texts } from '@tenure/browser/dialog';
import { accessOf, storeOf, type AtEnd } from '@tenure/browser/page';
import { useEffect, useState, type ReactElement, type ReactNode } from 'react';
import { useSession, useTenure } from './context.tsx';

export interface RequireAuthProps {
  children?: ReactNode;
  /** Shown until it is known who is signed in, and on the way to the login page. Nothing by default. */
  fallback?: ReactNode;
  /** Shown when the sign-in is over, or did not succeed: a sentence and a button unless told otherwise. */
  signedOut?: ReactNode;
  /**
   * What becomes of the children when the session ends by time. `unmount` (default): they and their state are
   * gone. `hide`: they come back as they were when the same person signs in. `leave`: they stay as they are.
   */
  atEnd?: AtEnd;
  texts?: Texts;
}

/** Shows its children only to somebody who is signed in; sends others to the login page, and back here. */
export function RequireAuth(props: RequireAuthProps): ReactElement {
  const { children, fallback = null, signedOut, atEnd = 'unmount', texts = english } = props;
  const tenure = useTenure();
  const session = useSession();
  const { user, error, client } = tenure;
  const [known, setKnown] = useState(user?.sub);
  if (user && user.sub !== known) setKnown(user.sub);

  const { part, instead, leave } = accessOf(tenure, session, known, atEnd);
  const shown = part === 'shown';
  const login = () => void storeOf(client).login();
  useEffect(() => {
    if (leave) login();
  }, [leave, client]);

  const over = signedOut ?? (
    <div className="tenure-signed-out">
      <p role="status">{notice(texts, session, error)}</p>
      <button type="button" onClick={login}>
        {texts.signIn}
      </button>
    </div>
  );
  return (
    <>
      {part !== 'gone' && (
        <div key={known} hidden={!shown} style={{ display: shown ? 'contents' : 'none' }}>
          {children}
        </div>
      )}
      {instead === 'notice' ? over : instead === 'waiting' && fallback}
    </>
  );
}
