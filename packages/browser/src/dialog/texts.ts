import type { EndReason, SessionState } from '../monitor/types.ts';

/** What people read. Write your own to translate or to rephrase it; it is plain data. */
export interface Texts {
  /** How durations are written: `en`, `pt-BR`. */
  lang: string;
  stillThere: string;
  /** `{time}` is what is left: `59 seconds`. */
  willEnd: string;
  stay: string;
  signOut: string;
  /** When the session cannot be extended any more. */
  endsSoon: string;
  cannotStay: string;
  understood: string;
  signedOut: string;
  /** Why; the other reasons are `over`. */
  reasons: Partial<Record<EndReason, string>>;
  over: string;
  signIn: string;
  offline: string;
  failed: string;
  loginFailed: string;
}

export const english: Texts = {
  lang: 'en',
  stillThere: 'Are you still there?',
  willEnd: 'You will be signed out in {time}.',
  stay: 'Stay signed in',
  signOut: 'Sign out',
  endsSoon: 'Your session ends soon',
  cannotStay: 'It has nearly reached its longest duration. Save your work; afterwards you can sign in again.',
  understood: 'Continue',
  signedOut: 'You are signed out',
  reasons: {
    idle: 'You were away for a while.',
    absolute: 'Your session reached its longest duration.',
    user_logout: 'You signed out in another window.',
    admin_revoked: 'An administrator ended your session.',
    credential_change: 'Your password was changed.',
    account_disabled: 'Your account was changed.',
    session_limit: 'You signed in on too many devices.',
    superseded: 'Somebody else signed in here.',
  },
  over: 'Your session is over.',
  signIn: 'Sign in',
  offline: 'The sign-in server cannot be reached. Is this device online?',
  failed: 'That did not work. Please try again.',
  loginFailed: 'The sign-in did not succeed.',
};

export const german: Texts = {
  lang: 'de',
  stillThere: 'Sind Sie noch da?',
  willEnd: 'Sie werden in {time} abgemeldet.',
  stay: 'Angemeldet bleiben',
  signOut: 'Abmelden',
  endsSoon: 'Ihre Sitzung endet bald',
  cannotStay: 'Sie hat fast ihre längste Dauer erreicht. Speichern Sie Ihre Arbeit; danach können Sie sich neu anmelden.',
  understood: 'Weiter',
  signedOut: 'Sie sind abgemeldet',
  reasons: {
    idle: 'Sie waren eine Weile nicht da.',
    absolute: 'Ihre Sitzung hat ihre längste Dauer erreicht.',
    user_logout: 'Sie haben sich in einem anderen Fenster abgemeldet.',
    admin_revoked: 'Ihre Sitzung wurde von der Verwaltung beendet.',
    credential_change: 'Ihr Passwort wurde geändert.',
    account_disabled: 'Ihr Konto wurde geändert.',
    session_limit: 'Sie haben sich auf zu vielen Geräten angemeldet.',
    superseded: 'Hier hat sich jemand anderes angemeldet.',
  },
  over: 'Ihre Sitzung ist beendet.',
  signIn: 'Anmelden',
  offline: 'Der Anmeldeserver ist nicht erreichbar. Ist dieses Gerät online?',
  failed: 'Das hat nicht geklappt. Bitte versuchen Sie es noch einmal.',
  loginFailed: 'Die Anmeldung ist nicht gelungen.',
};

export const why = ({ reasons, over }: Texts, reason: EndReason | undefined): string => (reason && reasons[reason]) ?? over;

/** What stands in place of a private part when the sign-in is over, or did not succeed. */
export const notice = (texts: Texts, { status, reason }: SessionState, error: Error | undefined): string =>
  error ? texts.loginFailed : `${texts.signedOut}. ${status === 'ended' ? why(texts, reason) : ''}`;

/** `… in 1 minute 5 seconds.`; minutes alone from ten on. */
export function countdown({ willEnd, lang }: Texts, seconds: number): string {
  const say = (count: number, unit: string) => new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' }).format(count);
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  const parts = [minutes ? say(minutes, 'minute') : '', !minutes || (rest && minutes < 10) ? say(rest, 'second') : ''];
  return willEnd.replace('{time}', parts.filter(Boolean).join(' '));
}
