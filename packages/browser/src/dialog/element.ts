/**
 * Opens the browser's own modal dialog, which keeps the focus, hides what lies behind, and gives the focus back.
 * `escape` is told when somebody wants it away; it stays until what is returned is called.
 */
export function hold(dialog: HTMLDialogElement, escape: () => void): () => void {
  const held = new AbortController();
  const { signal } = held;
  const cancel = (event: Event) => {
    if (event instanceof KeyboardEvent && event.key !== 'Escape') return;
    event.preventDefault();
    escape();
  };
  for (const name of ['keydown', 'cancel']) dialog.addEventListener(name, cancel, { signal });
  // Browsers may close a dialog without asking when Escape comes twice.
  dialog.addEventListener('close', () => dialog.isConnected && dialog.showModal(), { signal });
  dialog.showModal();
  return () => {
    held.abort();
    dialog.close();
  };
}
