import { hold, type DialogView } from '@tenure/browser/dialog';
import { useId, useLayoutEffect, useRef, type CSSProperties, type ReactElement } from 'react';

interface DialogProps extends DialogView {
  /** Escape, and the ways of other devices to dismiss something. */
  escape: () => void;
  className?: string | undefined;
}

const DOT = { width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)' };
const UNSEEN: CSSProperties = { position: 'absolute', ...DOT };

/** The browser's own modal dialog, open while it is mounted: it keeps the focus, and gives it back. */
export function Dialog({ className = 'tenure-modal', escape, ...view }: DialogProps): ReactElement {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => hold(dialog.current!, escape), [escape]);
  const named = { 'aria-labelledby': `${id}title`, 'aria-describedby': `${id}text` };
  return (
    <dialog ref={dialog} className={className} role="alertdialog" aria-modal="true" {...named}>
      <h2 id={`${id}title`}>{view.title}</h2>
      <div id={`${id}text`}>
        {view.sentence && <p>{view.sentence}</p>}
        {view.left && <p role="timer">{view.left}</p>}
      </div>
      <p role="status" style={UNSEEN}>{view.spoken}</p>
      {view.alert && <p role="alert">{view.alert}</p>}
      <div className="tenure-modal-buttons">
        {view.buttons.map(({ text, press }) => (
          <button key={text} type="button" onClick={press}>
            {text}
          </button>
        ))}
      </div>
    </dialog>
  );
}
