/** Six experiments, and what to expect of each. */
import { element } from './dom.ts';

export function tries(other: string): HTMLElement[] {
  const one = (title: string, todo: string, expected: string) =>
    element('li', {}, element('strong', {}, title), ` ${todo}`, element('p', {}, expected));
  return [
    element('h2', {}, 'Try this'),
    element(
      'ol',
      {},
      one('Do nothing.', 'Sign in, press “To 5 s before the next deadline”, and wait.', 'A warning counts down. Then the session is over, and everybody is told why: nothing was done for too long.'),
      one('Extend from elsewhere.', `Press “Sign in at the ${other}”: no password is asked for. Here, press “+1 min”; over there, “Keep the session alive”.`, 'The idle lane here grows by itself: one session, two sites.'),
      one('Sign out in one place.', `Press “Sign out at the ${other}”.`, 'Both sites know within a second, and each site’s own server receives a logout token.'),
      one('Lower a limit.', 'Set the idle timeout to 1 minute, press “+1 min”, and say that you are still there: “Stay signed in”.', 'Too late: a lowered setting bites at the next activity, so the session ends before its stored deadline.'),
      one('Steal a refresh token.', 'At the forum, press “Play the thief”.', 'The stolen token was used before, so its whole family ends. The session lives on, and signs the forum in again.'),
      one('Come from elsewhere.', 'Press “Sensitive”, sign in, and choose “Continue with Northwind ID” on the way.', 'A third layer: Northwind lets its session last 20 minutes, so yours cannot last the 8 hours that the profile grants.'),
    ),
  ];
}
