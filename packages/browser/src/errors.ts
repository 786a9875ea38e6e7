/** What went wrong, in the SDK's own words; errors of the server keep the server's. */
export type SdkErrorCode =
  /** The server wants a person: nobody is signed in, or the session is over. */
  | 'login_required'
  /** The server wants the person's consent. */
  | 'consent_required'
  /** The invisible frame had no access to the server's cookie: the browser blocks third-party cookies. */
  | 'third_party_cookies_blocked'
  /** The invisible frame loaded, but no answer came from it: its page was refused, or is not the server's. */
  | 'frame_refused'
  /** No answer in time. */
  | 'timeout'
  /** The browser did not open the window: call it from a click. */
  | 'popup_blocked'
  /** The person closed the window. */
  | 'popup_closed'
  /** The callback belongs to no login that this tab began. */
  | 'missing_transaction'
  /** The answer's `state` is not the one that was sent. */
  | 'state_mismatch'
  /** The server's answer, or an ID token in it, does not hold. */
  | 'invalid_response'
  /** The person signed in, but not as recently as required. */
  | 'login_too_old'
  /** There is no refresh token. */
  | 'missing_refresh_token'
  /** The server could not be reached. */
  | 'network'
  /** The session is over. */
  | 'session_ended'
  /** The session cannot be extended by this application. */
  | 'extension_refused'
  /** An option is missing or wrong. */
  | 'invalid_options';

export interface TenureErrorDetails {
  /** What the application gave to `loginWithRedirect`. */
  appState?: unknown;
  /** Why a token was refused, or a session ended, where the server says so. */
  reason?: string | undefined;
  cause?: unknown;
}

/** The one class of errors of this package; `code` tells them apart. */
export class TenureError extends Error {
  override readonly name = 'TenureError';
  /** One of the SDK's codes, or the server's `error` (RFC 6749 section 4.1.2.1 and 5.2). */
  readonly code: SdkErrorCode | (string & {});
  readonly appState: unknown;
  readonly reason: string | undefined;

  constructor(code: SdkErrorCode | (string & {}), message: string, details: TenureErrorDetails = {}) {
    super(message, details);
    this.code = code;
    this.appState = details.appState;
    this.reason = details.reason;
  }
}
