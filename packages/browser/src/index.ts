export { TenureError } from './errors.ts';
export type { SdkErrorCode, TenureErrorDetails } from './errors.ts';
export type * from './types.ts';
export type * from './monitor/types.ts';
export { createTenureClient } from './client.ts';
export { monitorSession } from './monitor/index.ts';
