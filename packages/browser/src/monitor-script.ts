/** The monitor alone, without the package's dependency: for pages that no bundler made. */
export { monitorSession } from './monitor/index.ts';
export { TenureError } from './errors.ts';
export type { EndReason, MonitorEvents, MonitorSessionOptions, SessionMonitor, SessionState } from './monitor/types.ts';
