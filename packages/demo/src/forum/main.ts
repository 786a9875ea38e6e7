/** The forum: plain TypeScript. Its refresh tokens outlive the session, and are in local storage. */
import { Account } from '../account.ts';
import { element } from '../dom.ts';
import { Panel } from '../panel.ts';
import { reasonInWords } from '../words.ts';

interface Post {
  by: string;
  title: string;
  replies: number;
}

const account = new Account('read:posts', { cacheLocation: 'localstorage' });
const { client } = account;
const site = document.getElementById('site') as HTMLElement;
const panel = document.getElementById('panel') as HTMLElement;

let posts: Post[] = [];
let problem: string | undefined;

async function load(): Promise<void> {
  try {
    problem = undefined;
    posts = (await account.ask<{ posts: Post[] }>('/posts')).posts;
  } catch (error) {
    problem = (error as Error).message;
  }
  draw();
}

const button = (name: string, click: () => void, kind = 'plain') => element('button', { type: 'button', class: kind, click }, name);

function head(): HTMLElement {
  const { isAuthenticated, user } = client.authState;
  const who = isAuthenticated
    ? [element('span', { class: 'who' }, user?.name ?? user?.email ?? ''), button('Sign out', () => void account.signOut())]
    : [button('Sign in', () => void account.signIn(), 'primary')];
  return element('header', { class: 'top' }, element('span', { class: 'brand' }, 'The Commons'), element('nav', { 'aria-label': 'Account' }, ...who));
}

function body(): HTMLElement[] {
  const { state } = client.monitor;
  const notes = [account.problem, problem].filter((one) => one !== undefined).map((one) => element('p', { class: 'problem', role: 'alert' }, one));
  if (state.status === 'ended') notes.push(element('p', { class: 'notice', role: 'status' }, `The session is over: ${reasonInWords(state.reason)}.`));
  if (!client.authState.isAuthenticated) {
    const words = 'A place to talk about sessions. Sign in as ada@example.com; the password is printed in your terminal.';
    return [...notes, element('h1', {}, 'Good evening'), element('p', { class: 'lead' }, words)];
  }
  const list = element('ul', { class: 'posts' });
  for (const post of posts) list.append(element('li', {}, element('strong', {}, post.title), element('span', {}, `${post.by}, ${post.replies} replies`)));
  return [...notes, element('h1', {}, 'Latest posts'), list, button('Load again', () => void load())];
}

function draw(): void {
  site.replaceChildren(head(), element('main', {}, ...body()));
}

draw();
await account.begin();
new Panel(account, panel);
client.subscribe(() => draw());
client.monitor.subscribe(() => draw());
if (location.hash === '#sign-out') {
  history.replaceState(null, '', '/');
  if (client.authState.isAuthenticated) await account.signOut();
}
draw();
if (client.authState.isAuthenticated) await load();
