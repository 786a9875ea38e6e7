export { RequireAuth, type RequireAuthProps } from './require-auth.tsx';
export { SessionTimeoutModal, type SessionTimeoutModalProps } from './modal.tsx';
export { TenureProvider, useSession, useTenure } from './context.tsx';
export type { Session, SessionOptions, TenureProviderProps } from './context.tsx';
export type { Tenure } from '@tenure/browser/page';
export { english, german, type Texts } from '@tenure/browser/dialog';
