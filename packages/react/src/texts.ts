import type { SessionState } from '@tenure/browser';

/** The words of the dialog. Write your own to translate or to rephrase them. */
export interface Texts {
  /** Formats durations: `de`, `pt-BR`. */
  lang: string;
  stillThere: string;
  willEnd(time: string): string;
  /** The session has reached its longest duration. */
  cannotStay: string;
  stay: string;
  understood: string;
  signOut: string;
  endedTitle: string;
  ended(reason: SessionState['reason']): string;
  signIn: string;
  offline: string;
  failed: string;
  loginFailed: string;
}

export const english: Texts = {
  lang: 'en',
  stillThere: 'Are you still there?',
  willEnd: (time) => `You will be signed out in ${time}.`,
  cannotStay: 'You have been signed in for as long as is allowed. Save your work, and sign in again afterwards.',
  stay: 'Stay signed in',
  understood: 'Back to the page',
  signOut: 'Sign out',
  endedTitle: 'You are signed out',
  ended: (reason) =>
    reason === 'idle' ? 'You were not active for a while.'
    : reason === 'absolute' ? 'You were signed in for as long as is allowed.'
    : 'Your session is over.',
  signIn: 'Sign in',
  offline: 'The sign-in server cannot be reached. Is this device online?',
  failed: 'That did not work. Please try again.',
  loginFailed: 'The sign-in did not succeed.',
};

export const german: Texts = {
  lang: 'de',
  stillThere: 'Sind Sie noch da?',
  willEnd: (time) => `Sie werden in ${time} abgemeldet.`,
  cannotStay: 'Länger dürfen Sie nicht angemeldet sein. Speichern Sie Ihre Arbeit, und melden Sie sich danach neu an.',
  stay: 'Angemeldet bleiben',
  understood: 'Zurück zur Seite',
  signOut: 'Abmelden',
  endedTitle: 'Sie sind abgemeldet',
  ended: (reason) =>
    reason === 'idle' ? 'Sie waren eine Weile nicht aktiv.'
    : reason === 'absolute' ? 'Länger dürfen Sie nicht angemeldet sein.'
    : 'Ihre Sitzung ist beendet.',
  signIn: 'Anmelden',
  offline: 'Der Anmeldeserver ist nicht erreichbar. Ist dieses Gerät online?',
  failed: 'Das hat nicht geklappt. Bitte versuchen Sie es noch einmal.',
  loginFailed: 'Die Anmeldung ist nicht gelungen.',
};

/** `59 seconds`, `1 minute 5 seconds`; minutes alone from ten on. */
export function duration(seconds: number, lang: string): string {
  const say = (count: number, unit: string) => new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' }).format(count);
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  if (!minutes) return say(seconds, 'second');
  return rest && minutes < 10 ? `${say(minutes, 'minute')} ${say(rest, 'second')}` : say(minutes, 'minute');
}
