/** Five experiments, and what to expect of each. */
import { element } from './dom.ts';

export function tries(here: string, other: string): HTMLElement {
  const list = element('ol', {});
  const add = (title: string, todo: string, expected: string) =>
    list.append(element('li', {}, element('strong', {}, title), ' ', todo, ' ', element('em', {}, `→ ${expected}`)));
  add('Do nothing.', 'Sign in, then move the clock to 5 s before the next deadline and wait.', 'A warning counts down; then the session ends, with the reason: nothing was done for too long.');
  add('Extend from elsewhere.', `Open the ${other} in a second tab. Move the clock by a minute, and press “Keep the session alive” there.`, `The idle lane grows here too, without anybody touching the ${here}.`);
  add('Sign out in one place.', `Press “Sign out at the ${other}”.`, 'Both sites know within a second, and each site’s own server receives a logout token.');
  add('Lower a limit.', 'Set the idle timeout to 1 minute, then move the clock by 2 minutes and press “Keep the session alive”.', 'The lowered limit bites at that activity: the session ends by the setting, before its stored deadline.');
  add('Steal a refresh token.', 'At the forum, press “Play the thief”.', 'The stolen token was used already: its whole family ends, and the server’s log says so. The session lives on.');
  return element('section', { class: 'tries', 'aria-label': 'Try this' }, element('h3', {}, 'Try this'), list);
}
