import type { SessionMonitor } from '@tenure/browser';
import { SessionDialog, type DialogOptions } from '@tenure/browser/dialog';
import { useContext, useLayoutEffect, useMemo, useSyncExternalStore, type ReactElement } from 'react';
import { TenureContext, useMonitor } from './context.tsx';
import { Dialog } from './dialog.tsx';

export interface SessionTimeoutModalProps extends DialogOptions {
  /** What `monitorSession` returned, beside another SDK; without it the client of the `TenureProvider`. */
  monitor?: SessionMonitor | undefined;
  className?: string | undefined;
}

/** Warns before the session ends, and lets the person stay; after the end, lets them sign in again. */
export function SessionTimeoutModal(props: SessionTimeoutModalProps): ReactElement | null {
  const { className, ...options } = props;
  const monitor = useMonitor(options.monitor);
  const client = useContext(TenureContext)?.client;
  const dialog = useMemo(() => new SessionDialog(monitor, client, options), [monitor, client]);
  useLayoutEffect(() => dialog.set(options));
  const view = useSyncExternalStore(dialog.subscribe, dialog.get, () => undefined);
  return view ? <Dialog key={view.when} {...view} escape={dialog.escape} className={className} /> : null;
}
