import { sendPlainly } from '../send.ts';
import { TenureError } from '../errors.ts';
import { issuerOf } from '../options.ts';
import { Monitor } from './shell.ts';
import type { MonitorSessionOptions, SessionMonitor } from './types.ts';
import { Wire } from './wire.ts';

/**
 * Watches the session beside another SDK, and starts at once.
 * @throws TenureError `invalid_options`
 */
export function monitorSession({ issuer: text, clientId, getToken, ...options }: MonitorSessionOptions): SessionMonitor {
  const issuer = issuerOf(text);
  if (!clientId) throw new TenureError('invalid_options', 'clientId: is missing');
  const wire = new Wire(issuer, getToken, () => Promise.resolve(sendPlainly));
  const monitor = new Monitor(`tenure ${issuer.href} ${clientId}`, wire, options);
  monitor.start();
  return monitor;
}
