/** The panel's buttons. */
import { countDeeds, deedsCount, type Account } from './account.ts';
import { desk, type Look, type Profile } from './desk.ts';
import { element } from './dom.ts';
import { place } from './place.ts';

export interface Board {
  account: Account;
  look(): Look | undefined;
  run(deed: () => Promise<unknown>): Promise<void>;
}

export interface Controls {
  element: HTMLElement;
  /** What the server says may have changed. */
  update(look: Look): void;
}

export function controls(board: Board): Controls {
  const [fields, update] = limits(board);
  return { element: element('div', { class: 'controls' }, clock(board), fields, ends(board), here(board)), update };
}

const group = (title: string, ...children: (Node | string)[]) => element('fieldset', {}, element('legend', {}, title), ...children);

const button = (board: Board, name: string, deed: () => Promise<unknown>) =>
  element('button', { type: 'button', click: () => void board.run(deed) }, name);

const link = (name: string, href: string) => element('a', { class: 'button', href, target: '_blank', rel: 'noopener' }, name);

function clock(board: Board): HTMLElement {
  const by = (name: string, seconds: number) => button(board, name, () => desk.advance(seconds));
  const near = async () => {
    const seconds = untilDeadline(board.look());
    if (seconds === undefined) throw new Error('No deadline of a session lies ahead: sign in first.');
    await desk.advance(seconds);
  };
  return group(
    "Move the server's clock",
    by('+1 min', 60),
    by('+10 min', 600),
    by('+1 h', 3600),
    by('+1 day', 86_400),
    button(board, 'To 5 s before the next deadline', near),
  );
}

/** Whole seconds to 5 s before the session's next deadline. */
function untilDeadline(look: Look | undefined): number | undefined {
  const end = look?.graph?.ends_first;
  if (!look || !end) return undefined;
  return Math.max(0, Math.floor((Date.parse(end.at) - Date.parse(look.now)) / 1000) - 5);
}

function limits(board: Board): [HTMLElement, (look: Look) => void] {
  const field = (name: string) => element('input', { type: 'number', min: '1', max: '525600', step: 'any', inputmode: 'decimal', 'aria-label': `${name}, in minutes` });
  const [idle, absolute] = [field('Idle timeout'), field('Absolute lifetime')];
  let told = '';
  const update = ({ today }: Look) => {
    // What somebody is typing stays, unless the settings themselves changed.
    if (told === JSON.stringify(today)) return;
    told = JSON.stringify(today);
    [idle.value, absolute.value] = [minutes(today.idle_timeout), minutes(today.absolute_lifetime)];
  };
  const set = async () => {
    const [first, second] = [Number(idle.value) * 60, Number(absolute.value) * 60];
    if (!(first > 0 && second > 0)) throw new Error('Both limits must be numbers of minutes, such as 5.');
    await desk.limits(Math.round(first), Math.round(second));
  };
  const profile = (name: Profile, title: string) => button(board, title, () => desk.profile(name));
  const fields = group(
    'Change the limits',
    element('label', { class: 'field' }, 'Idle, min ', idle),
    element('label', { class: 'field' }, 'Absolute, min ', absolute),
    button(board, 'Set', set),
    element('span', { class: 'break' }),
    profile('short-lived', 'Short-lived'),
    profile('sensitive', 'Sensitive'),
    profile('long-lived', 'Long-lived'),
    profile('start', 'As at the start'),
  );
  return [fields, update];
}

const minutes = (seconds: number) => String(Math.round((seconds / 60) * 100) / 100);

function ends(board: Board): HTMLElement {
  const asAdministrator = async () => {
    const { sid } = await board.account.tokens();
    if (sid === undefined) throw new Error('There is no session to end: sign in first.');
    await desk.endAsAdministrator(sid);
  };
  return group(
    'End the session',
    link(`Sign out at the ${place.otherName}`, `${place.other}/#sign-out`),
    button(board, 'As administrator', asAdministrator),
    button(board, 'By a password change', () => desk.endByPasswordChange()),
  );
}

function here(board: Board): HTMLElement {
  const { client } = board.account;
  const deeds = element('input', { type: 'checkbox' });
  deeds.checked = deedsCount();
  deeds.addEventListener('change', () => countDeeds(deeds.checked));
  return group(
    'This browser',
    link(`Sign in at the ${place.otherName}`, `${place.other}/#sign-in`),
    button(board, 'Keep the session alive', () => client.monitor.extend()),
    button(board, 'Forget the tokens here', () => client.logout({ openUrl: false })),
    button(board, "Delete the server's cookie", () => desk.dropCookie()),
    element('label', { class: 'check' }, deeds, ' What I do in this page keeps the session alive'),
  );
}
