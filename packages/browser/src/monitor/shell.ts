/** The thin shell around `step`: clocks, timers, requests, tabs and listeners. It decides nothing. */
import { TenureError } from '../errors.ts';
import { Tabs } from '../tabs.ts';
import type { WireStatus } from './facts.ts';
import { begin, step, type Command, type MonitorEvent } from './step.ts';
import { follow } from './stream.ts';
import type { MonitorEvents, MonitorOptions, SessionMonitor, SessionState } from './types.ts';
import type { Outcome, Wire } from './wire.ts';

type Listener = (state: SessionState) => void;

/** What a person does. Seen before anything in the page can stop it. */
const DEEDS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const;
const BETWEEN_DEEDS = 1_000;

export class Monitor implements SessionMonitor {
  readonly #name: string;
  readonly #wire: Wire;
  readonly #options: MonitorOptions;
  readonly #listeners = new Map<keyof MonitorEvents, Set<Listener>>();
  readonly #queue: MonitorEvent[] = [];
  #state;
  #busy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked: Promise<void> = Promise.resolve();
  #extension: Promise<Outcome> | undefined;
  #tabs: Tabs<WireStatus> | undefined;
  /** Ends everything of the present watch. */
  #watch: AbortController | undefined;
  /** The watch that follows the stream, or waits for its turn. */
  #streaming: AbortController | undefined;
  /** The application wants no watch. */
  stopped = false;

  constructor(name: string, wire: Wire, options: MonitorOptions) {
    const { warnBefore = 60, extendOnActivity = true } = options;
    if (!(warnBefore >= 0)) throw new TenureError('invalid_options', 'warnBefore: must be a number');
    this.#name = `${name} session`;
    this.#wire = wire;
    this.#options = options;
    this.#state = begin({ warnBefore: warnBefore * 1000, extendOnActivity });
  }

  get state(): SessionState {
    return this.#state.shown;
  }

  /** The session whose end is shown. */
  get endedSid(): string | undefined {
    return this.#state.endedSid;
  }

  subscribe(listener: () => void): () => void {
    return this.on('change', listener);
  }

  on<Name extends keyof MonitorEvents>(event: Name, listener: (state: MonitorEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  start(): void {
    if (this.#watch) return;
    this.stopped = false;
    const { signal } = (this.#watch = new AbortController());
    this.#tabs = new Tabs<WireStatus>(this.#name, (status) => this.#told(status));
    const look = () => {
      if (document.visibilityState === 'visible') this.#take({ type: 'look' });
    };
    document.addEventListener('visibilitychange', look, { signal });
    for (const name of ['focus', 'pageshow', 'online']) addEventListener(name, look, { signal });
    // A tab that the browser freezes must not keep the others from the stream, and knows nothing when it wakes.
    const freeze = () => {
      this.stop();
      document.addEventListener('resume', () => this.start(), { once: true });
    };
    document.addEventListener('freeze', freeze, { signal });
    let last = -BETWEEN_DEEDS;
    const deed = () => {
      const now = performance.now();
      if (now - last < BETWEEN_DEEDS) return;
      last = now;
      this.#take({ type: 'activity' });
    };
    for (const name of DEEDS) addEventListener(name, deed, { signal, capture: true, passive: true });
    this.#take({ type: 'ask' });
  }

  stop(): void {
    this.stopped = true;
    this.#watch?.abort();
    this.#watch = undefined;
    this.#tabs?.close();
    this.#tabs = undefined;
    clearTimeout(this.#timer);
  }

  async checkNow(): Promise<void> {
    this.start();
    this.#take({ type: 'ask' });
    await this.#asked;
  }

  async extend(): Promise<void> {
    this.start();
    this.#take({ type: 'extend' });
    const outcome = await this.#extension;
    if (!outcome) return;
    if ('status' in outcome) {
      if (!outcome.status.active) throw new TenureError('session_ended', 'the session is over', { reason: outcome.status.reason });
    } else if (outcome.why === 'unreachable') {
      throw new TenureError('network', 'the server could not be reached');
    } else {
      throw new TenureError('extension_refused', 'this application may not extend the session');
    }
  }

  /** One event at a time: a listener may cause the next one. */
  #take(event: MonitorEvent): void {
    if (!this.#watch) return;
    this.#queue.push(event);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        const { state, commands } = step(this.#state, next, { wall: Date.now(), mono: performance.now() });
        this.#state = state;
        for (const command of commands) this.#run(command);
      }
    } finally {
      this.#busy = false;
    }
    this.#stream();
  }

  #run(command: Command): void {
    switch (command.do) {
      case 'ask':
        this.#asked = this.#wire.ask().then((outcome) => this.#hear('ask', outcome));
        break;
      case 'extend':
        this.#extension = this.#wire.extend().then((outcome) => {
          this.#hear('extend', outcome);
          return outcome;
        });
        break;
      case 'tell':
        this.#tabs?.tell(command.status);
        break;
      case 'wake':
        clearTimeout(this.#timer);
        if (command.after !== undefined) this.#timer = setTimeout(() => this.#take({ type: 'tick' }), command.after);
        break;
      case 'raise':
        for (const listener of [...(this.#listeners.get(command.event) ?? [])]) this.#call(listener);
    }
  }

  /** What a listener throws is its own affair, and reported as such. */
  #call(listener: Listener): void {
    try {
      listener(this.#state.shown);
    } catch (error) {
      reportError(error);
    }
  }

  #hear(of: 'ask' | 'extend', outcome: Outcome): void {
    if ('why' in outcome) this.#take({ type: 'failure', of, ...outcome });
    else this.#take({ type: 'answer', by: of, ...outcome });
  }

  #told(status: WireStatus): void {
    this.#take({ type: 'answer', status, by: 'told', took: 0 });
  }

  /** One tab of all follows the stream, and tells the others. */
  #stream(): void {
    const { facts } = this.#state;
    const watch = this.#watch;
    if (!facts || !watch || this.#streaming === watch || this.#options.events === false) return;
    this.#streaming = watch;
    const heard = (status: WireStatus) => {
      this.#tabs?.tell(status);
      this.#told(status);
    };
    const task = async () => {
      if (this.#state.facts) await follow(this.#wire, heard, () => this.#take({ type: 'look' }), watch.signal);
    };
    this.#tabs
      ?.alone('stream', task, watch.signal)
      .catch(() => undefined)
      .finally(() => {
        if (this.#streaming === watch) this.#streaming = undefined;
      });
  }
}
