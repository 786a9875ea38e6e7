/** The forum: plain TypeScript. Its refresh tokens outlive the session, and are in local storage. */
import { Account } from '../account.ts';
import { element } from '../dom.ts';
import { Panel } from '../panel.ts';
import { reasonInWords, span } from '../words.ts';
import { playTheThief } from './thief.ts';

interface Post {
  by: string;
  title: string;
  replies: number;
}

const account = new Account('read:posts', { cacheLocation: 'localstorage' });
const { client } = account;

let posts: Post[] = [];
let problem: string | undefined;
let story: string[] = [];

/** What a click does; what goes wrong is shown. */
async function run(deed: () => Promise<unknown>): Promise<void> {
  try {
    problem = undefined;
    await deed();
  } catch (error) {
    problem = (error as Error).message;
  }
  draw();
}

const load = () =>
  run(async () => {
    posts = (await account.ask<{ posts: Post[] }>('/posts')).posts;
  });

const steal = () => {
  story = [];
  return run(() =>
    playTheThief(account, (step) => {
      story.push(step);
      draw();
    }),
  );
};

const button = (name: string, deed: () => Promise<unknown>, kind = 'plain') => element('button', { type: 'button', class: kind, click: () => void deed() }, name);

const who = element('nav', { 'aria-label': 'Account' });
const countdown = element('p', { role: 'timer' });
const stay = button('Stay signed in', () => run(() => client.monitor.extend()), 'primary');
const warning = element('div', { class: 'notice warning', role: 'group', 'aria-label': 'The session ends soon' }, countdown, stay);
const notes = element('div', {});
const body = element('div', {});

/** Leaves alone what looks the same: whoever has the focus in there keeps it. */
function show(place: HTMLElement, ...children: HTMLElement[]): void {
  const fresh = place.cloneNode() as HTMLElement;
  fresh.append(...children);
  if (!fresh.isEqualNode(place)) place.replaceChildren(...fresh.childNodes);
}

function drawAccount(over: boolean): void {
  const { isAuthenticated, user } = client.authState;
  const name = element('span', { class: 'who' }, user?.name ?? '');
  const act = isAuthenticated && !over ? button('Sign out', () => run(account.signOut)) : button('Sign in', () => run(account.signIn), 'primary');
  show(who, ...(isAuthenticated ? [name, act] : [act]));
}

/** How the session stands, where the person should know. */
function drawNotes(): void {
  const { state } = client.monitor;
  warning.hidden = state.status !== 'warning';
  stay.hidden = !state.extendable;
  countdown.textContent = `Your session ends in ${span((state.secondsLeft ?? 0) * 1000)}.`;
  const wrong = [account.problem, problem].filter((one) => one !== undefined);
  const made: HTMLElement[] = wrong.map((one) => element('p', { class: 'problem', role: 'alert' }, one));
  if (state.status === 'ended') {
    const still = client.authState.isAuthenticated ? ' This site goes on with an offline refresh token, which outlives the session.' : '';
    made.push(element('p', { class: 'notice', role: 'status' }, `The session is over: ${reasonInWords(state.reason)}.${still}`));
  }
  show(notes, ...made);
}

function posted(): HTMLElement {
  const list = element('ul', { class: 'posts' });
  for (const { title, by, replies } of posts) list.append(element('li', {}, element('strong', {}, title), element('span', {}, `${by} · ${replies} replies`)));
  return list;
}

function thief(): HTMLElement {
  const steps = element('ol', { 'aria-live': 'polite' }, ...story.map((step) => element('li', {}, step)));
  return element(
    'section',
    { class: 'thief', 'aria-label': 'A thief' },
    element('h2', {}, 'A thief in the page'),
    element('p', {}, 'This forum keeps its refresh token in local storage, where every script can read it. (The shop keeps its own in a worker.)'),
    button('Play the thief', steal),
    steps,
  );
}

function draw(): void {
  drawAccount(client.monitor.state.status === 'ended');
  drawNotes();
  const words = 'Talk about how long things last. Sign in as ada@example.com; the password is printed in your terminal.';
  if (client.authState.isAuthenticated) show(body, element('h1', {}, 'Latest posts'), posted(), button('Load again', load), thief());
  else show(body, element('h1', {}, 'A forum for patient people'), element('p', { class: 'lead' }, words));
}

const top = element('header', { class: 'top' }, element('span', { class: 'brand' }, 'The Commons'), who);
document.getElementById('site')?.append(top, element('main', {}, warning, notes, body));
draw();
await account.begin();
new Panel(account);
client.subscribe(draw);
client.monitor.subscribe(draw);
await account.obey();
draw();
if (client.authState.isAuthenticated) await load();
