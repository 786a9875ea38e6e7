import { useId, useLayoutEffect, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactElement, type ReactNode, type SyntheticEvent } from 'react';

interface DialogProps {
  title: string;
  children: ReactNode;
  /** What a screen reader tells, politely, when it changes. */
  spoken?: string;
  alert?: string | false;
  /** The first one has the focus. */
  buttons: { text: string; press: () => void }[];
  /** Escape, and the ways of other devices to dismiss something. Without it they do nothing. */
  escape?: () => void;
  className?: string | undefined;
}

const UNSEEN: CSSProperties = { position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)' };

/** The browser's own modal dialog, open while it is mounted: it keeps the focus, and gives it back. */
export function Dialog({ title, children, spoken, alert, buttons, escape, className = 'tenure-modal' }: DialogProps): ReactElement {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const shown = dialog.current!;
    shown.showModal();
    return () => shown.close();
  }, []);
  const cancel = (event: KeyboardEvent | SyntheticEvent) => {
    if ('key' in event && event.key !== 'Escape') return;
    event.preventDefault();
    escape?.();
  };
  // Browsers may close a dialog without asking when Escape comes twice.
  const reopen = () => !dialog.current?.open && dialog.current?.showModal();
  const aria = { role: 'alertdialog', 'aria-modal': true, 'aria-labelledby': `${id}title`, 'aria-describedby': `${id}text` };
  return (
    <dialog ref={dialog} className={className} {...aria} onKeyDown={cancel} onCancel={cancel} onClose={reopen}>
      <h2 id={`${id}title`}>{title}</h2>
      <div id={`${id}text`}>{children}</div>
      <p role="status" style={UNSEEN}>{spoken}</p>
      {alert && <p role="alert">{alert}</p>}
      <div className="tenure-modal-buttons">
        {buttons.map(({ text, press }) => <button key={text} type="button" onClick={press}>{text}</button>)}
      </div>
    </dialog>
  );
}

/** Runs one thing at a time, and knows whether the last one failed. */
export function useRun(): [failed: boolean, run: (what: () => unknown) => void] {
  const [failed, setFailed] = useState(false);
  const busy = useRef(false);
  const run = async (what: () => unknown) => {
    if (busy.current) return;
    busy.current = true;
    setFailed(false);
    try {
      await what();
    } catch {
      setFailed(true);
    }
    busy.current = false;
  };
  return [failed, (what) => void run(what)];
}
