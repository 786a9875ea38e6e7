/** Times, reasons and rules in words. */

export const REASONS: Record<string, string> = {
  user_logout: 'the person signed out',
  admin_revoked: 'an administrator ended it',
  idle: 'nothing was done for too long',
  absolute: 'it had lasted as long as a session may',
  upstream_logout: 'the person signed out at the identity provider',
  upstream_expired: 'the session at the identity provider ended',
  credential_change: 'the password was changed',
  account_disabled: 'the account was disabled',
  policy_change: 'a policy changed',
  reuse_detected: 'a refresh token was used twice',
  session_limit: 'there were too many sessions',
  superseded: 'somebody else signed in',
};

export const RULES: Record<string, string> = {
  stored_idle: 'idle timeout',
  setting_idle: 'idle timeout, as lowered since',
  stored_absolute: 'absolute lifetime',
  setting_absolute: 'absolute lifetime, as lowered since',
  upstream_session_expiry: 'expiry of the session upstream',
};

export const CODES: Record<string, string> = {
  s: 'signed in',
  ssa: 'single sign-on, without a page',
  fsa: 'silent sign-in refused',
  slo: 'signed out',
  seacft: 'code exchanged for tokens',
  feacft: 'code exchange refused',
  sertft: 'refresh token used',
  fertft: 'refresh refused',
  ferrt: 'refresh token reused: its family ends',
  srrt: 'refresh token revoked',
  session_revoked: 'session ended',
  session_extended: 'session kept alive',
  oidc_backchannel_logout_succeeded: 'application told of the end',
  oidc_backchannel_logout_failed: 'telling an application failed',
};

export const reasonInWords = (reason: string | undefined) => REASONS[reason ?? ''] ?? reason ?? 'the server does not say why';
/** Other rules say no more than the reason does. */
export const ruleInWords = (rule: string | undefined) => RULES[rule ?? ''] ?? '';

/** `4 min 59 s`, `2 h 5 min`, `99 days 23 h`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  const two = (big: string, small: string, zero: boolean) => (zero ? big : `${big} ${small}`);
  if (days) return two(`${days} ${days === 1 ? 'day' : 'days'}`, `${hours} h`, hours === 0);
  if (hours) return two(`${hours} h`, `${minutes} min`, minutes === 0);
  if (minutes) return two(`${minutes} min`, `${seconds % 60} s`, seconds % 60 === 0);
  return `${seconds} s`;
}

/** The time of day by the server's clock, where this browser is. */
export const time = (at: number) => new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
