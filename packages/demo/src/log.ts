/** What happened: what this page heard of the session as it came, and what the server wrote down. */
import type { SessionMonitor } from '@tenure/browser';
import type { Look } from './desk.ts';
import { element } from './dom.ts';
import { CODES, reasonInWords, ruleInWords, span, time } from './words.ts';

interface Line {
  at: number;
  from: 'heard here' | 'server' | 'site';
  text: string;
}

const MOST = 40;

export class Log {
  readonly element: HTMLElement;
  readonly #list = element('ol', { class: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions' });
  readonly #nothing = element('p', { class: 'state' }, 'Nothing yet.');
  readonly #heard: Line[] = [];
  #shown = '';
  /** Milliseconds that the server's clock is ahead of this one. */
  #ahead = 0;

  constructor(monitor: SessionMonitor) {
    this.element = element('section', { class: 'events', 'aria-label': 'What happened' }, element('h3', {}, 'What happened'), this.#nothing, this.#list);
    monitor.on('warning', (state) =>
      this.#hear(`warning: the session ends in ${span((state.secondsLeft ?? 0) * 1000)}${state.extendable ? '' : ', and cannot be extended'}`),
    );
    monitor.on('extended', (state) => this.#hear(`extended: kept alive until ${time((state.endsAt ?? 0) + this.#ahead)}`));
    monitor.on('ended', (state) => this.#hear(`ended: ${reasonInWords(state.reason)}${ruleInWords(state.rule) && ` (${ruleInWords(state.rule)})`}`));
  }

  #hear(text: string): void {
    this.#heard.push({ at: Date.now() + this.#ahead, from: 'heard here', text });
  }

  show(look: Look): void {
    this.#ahead = Date.parse(look.now) - Date.now();
    const lines = [...this.#heard, ...ofServer(look), ...ofSites(look)].sort((a, b) => b.at - a.at).slice(0, MOST);
    const text = JSON.stringify(lines);
    // Readers are told of what is new, not of the same lines each second.
    if (text === this.#shown) return;
    this.#shown = text;
    this.#nothing.hidden = lines.length > 0;
    this.#list.replaceChildren(
      ...lines.map(({ at, from, text }) => element('li', {}, element('time', {}, time(at)), element('span', { class: 'source' }, from), text)),
    );
  }
}

const ofServer = (look: Look): Line[] =>
  (look.graph?.activities ?? []).map(({ at, type, client_id, details }) => {
    const who = client_id ? `${client_id}: ` : '';
    const reason = typeof details?.['reason'] === 'string' ? ` — ${reasonInWords(details['reason'])}` : '';
    return { at: Date.parse(at), from: 'server', text: `${who}${CODES[type] ?? type}${reason}` };
  });

const ofSites = (look: Look): Line[] =>
  (look.session?.told ?? []).map(({ at, site, reason }) => ({
    at: Date.parse(at),
    from: 'site',
    text: `the ${site}'s own server received a logout token: ${reasonInWords(reason)}`,
  }));
