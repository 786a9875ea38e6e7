/** The panel beside a site: the lanes, the controls, and what happened. Redrawn each second. */
import type { Account } from './account.ts';
import { windowOf, ZOOMS, type Span, type Zoom } from './axis.ts';
import { controls, type Controls } from './controls.ts';
import { desk, type Look } from './desk.ts';
import { element } from './dom.ts';
import { draw } from './draw.ts';
import { layers, type Layer, type Tokens } from './lanes.ts';
import { Log } from './log.ts';
import { place } from './place.ts';
import { tries } from './tries.ts';
import { span, time } from './words.ts';

const EACH = 1_000;

export class Panel {
  readonly #account: Account;
  readonly #log: Log;
  readonly #controls: Controls;
  readonly #clock = element('p', { class: 'clock', role: 'timer' });
  readonly #lanes = element('div', { class: 'lanes' });
  readonly #problem = element('p', { class: 'problem', role: 'alert' });
  #zoom: Zoom = 'nearest';
  #look: Look | undefined;
  #tokens: Tokens = { sid: undefined, access: undefined, id: undefined };
  /** By the clock that only counts, when the last look came. */
  #lookedAt = 0;

  constructor(account: Account) {
    this.#account = account;
    this.#controls = controls({ account, look: () => this.#look, run: (deed) => this.run(deed) });
    this.#log = new Log(account.client.monitor);
    const zoom = element('select', { 'aria-label': 'Show' });
    for (const [value, name] of Object.entries(ZOOMS)) zoom.append(element('option', { value }, name));
    zoom.addEventListener('change', () => {
      this.#zoom = zoom.value as Zoom;
      this.#draw();
    });
    document.getElementById('tries')?.append(...tries(place.otherName));
    document.getElementById('panel')?.append(
      element('header', {}, element('h2', {}, 'The session, live'), this.#clock, element('label', { class: 'zoom' }, 'Show ', zoom)),
      this.#problem,
      this.#lanes,
      this.#controls.element,
      this.#log.element,
    );
    account.client.monitor.on('change', () => void this.look());
    account.client.subscribe(() => void this.look());
    setInterval(() => void this.look(), EACH);
    void this.look();
  }

  /** Does what a button says, shows what went wrong, and looks again. */
  async run(deed: () => Promise<unknown>): Promise<void> {
    try {
      this.#problem.textContent = '';
      await deed();
    } catch (error) {
      this.#problem.textContent = (error as Error).message;
    }
    await this.look();
  }

  async look(): Promise<void> {
    try {
      this.#tokens = await this.#account.tokens();
      const look = await desk.look(this.#tokens.sid);
      const moved = this.#look && look.moved_ms !== this.#look.moved_ms;
      this.#look = look;
      this.#lookedAt = performance.now();
      // The server's clock was moved, here or at the other site: the monitor must not go on counting by the old one.
      if (moved) void this.#account.client.monitor.checkNow();
    } catch {
      this.#look = undefined;
    }
    this.#draw();
  }

  /** The next end is the session's; the other zooms show what hangs on it too. */
  #span(shown: Layer[], look: Look, now: number): Span {
    const lanes = shown.flatMap((layer) => layer.lanes).filter((lane) => this.#zoom !== 'nearest' || lane.tone === 'session');
    const deadlines = lanes.filter((lane) => lane.endedAt === undefined).map((lane) => lane.bar?.to ?? 0);
    return { now, since: Date.parse(look.session?.began_at ?? look.now), deadlines };
  }

  #draw(): void {
    const look = this.#look;
    if (!look) {
      this.#clock.textContent = 'The demo does not answer: was it stopped?';
      return;
    }
    const now = Date.parse(look.now) + performance.now() - this.#lookedAt;
    const moved = look.moved_ms ? `, moved ahead by ${span(look.moved_ms)}` : '';
    this.#clock.textContent = `Server's clock: ${time(now)}${moved}`;
    const shown = layers(look, this.#tokens, place.client);
    if (!shown.length) {
      this.#lanes.replaceChildren(element('p', { class: 'empty' }, 'No session yet. Sign in, and each of its deadlines appears here as a lane.'));
    } else {
      this.#lanes.replaceChildren(draw(shown, windowOf(this.#zoom, this.#span(shown, look, now)), now));
    }
    this.#controls.update(look);
    this.#log.show(look);
  }
}
