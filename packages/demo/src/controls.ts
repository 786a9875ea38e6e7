/** The panel's buttons. */
import { countDeeds, deedsCount, type Account } from './account.ts';
import { desk, type Look } from './desk.ts';
import { element } from './dom.ts';
import { place } from './place.ts';

export interface Board {
  account: Account;
  look(): Look | undefined;
  run(deed: () => Promise<unknown>): Promise<void>;
}

export function controls(board: Board): HTMLElement {
  return element('div', { class: 'controls' }, clock(board), limits(board), ends(board), here(board));
}

function group(title: string, ...children: (Node | string)[]): HTMLElement {
  return element('fieldset', {}, element('legend', {}, title), ...children);
}

const button = (board: Board, name: string, deed: () => Promise<unknown>) =>
  element('button', { type: 'button', click: () => void board.run(deed) }, name);

function clock(board: Board): HTMLElement {
  const by = (name: string, seconds: number) => button(board, name, () => desk.advance(seconds));
  return group(
    "Move the server's clock",
    by('+1 min', 60),
    by('+10 min', 600),
    by('+1 h', 3600),
    by('+1 day', 86_400),
    button(board, 'To 5 s before the next deadline', async () => {
      const seconds = untilDeadline(board.look());
      if (seconds === undefined) throw new Error('no deadline of a session lies ahead: sign in first');
      await desk.advance(seconds);
    }),
  );
}

/** Whole seconds to 5 s before the session's next deadline. */
function untilDeadline(look: Look | undefined): number | undefined {
  const end = look?.graph?.ends_first;
  if (!look || !end) return undefined;
  return Math.max(0, Math.floor((Date.parse(end.at) - Date.parse(look.now)) / 1000) - 5);
}

function limits(board: Board): HTMLElement {
  const field = (name: string, value: string) =>
    element('input', { type: 'number', min: '1', max: '525600', step: 'any', value, inputmode: 'decimal', 'aria-label': `${name} in minutes` });
  const [idle, absolute] = [field('Idle timeout', '5'), field('Absolute lifetime', '60')];
  const set = async () => {
    const [first, second] = [Number(idle.value) * 60, Number(absolute.value) * 60];
    if (!(first > 0 && second > 0)) throw new Error('both limits are numbers of minutes');
    await desk.limits(Math.round(first), Math.round(second));
  };
  const profile = (name: 'short-lived' | 'sensitive' | 'long-lived', title: string) => button(board, title, () => desk.profile(name));
  return group(
    'Change the limits',
    element('label', { class: 'field' }, 'Idle, minutes ', idle),
    element('label', { class: 'field' }, 'Absolute, minutes ', absolute),
    button(board, 'Set', set),
    element('p', { class: 'hint' }, 'Profiles: '),
    profile('short-lived', 'Short-lived'),
    profile('sensitive', 'Sensitive'),
    profile('long-lived', 'Long-lived'),
  );
}

function ends(board: Board): HTMLElement {
  const sid = async () => {
    const { sid } = await board.account.tokens();
    if (sid === undefined) throw new Error('there is no session to end: sign in first');
    return sid;
  };
  return group(
    'End the session',
    element('a', { class: 'button', href: `${place.other}/#sign-out`, target: '_blank', rel: 'noopener' }, `Sign out at the ${place.otherName}`),
    button(board, 'As administrator', async () => desk.endAsAdministrator(await sid())),
    button(board, 'By a password change', () => desk.endByPasswordChange()),
  );
}

function here(board: Board): HTMLElement {
  const { account } = board;
  const deeds = element('input', { type: 'checkbox' });
  deeds.checked = deedsCount();
  deeds.addEventListener('change', () => countDeeds(deeds.checked));
  return group(
    'This browser',
    element('a', { class: 'button', href: `${place.other}/`, target: '_blank', rel: 'noopener' }, `Open the ${place.otherName}`),
    button(board, 'Keep the session alive', () => account.client.monitor.extend()),
    button(board, 'Forget the tokens here', () => account.client.logout({ openUrl: false })),
    element('label', { class: 'check' }, deeds, ' What I do in this page keeps the session alive'),
  );
}
