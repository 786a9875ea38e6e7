export { RequireAuth, type RequireAuthProps } from './require-auth.tsx';
export { SessionTimeoutModal, type SessionTimeoutModalProps } from './modal.tsx';
export { TenureProvider, useSession, useTenure, type Session, type SessionOptions, type TenureProviderProps } from './context.tsx';
export type { Tenure } from '@tenure/browser/page';
export { english, german, type Texts } from './texts.ts';
