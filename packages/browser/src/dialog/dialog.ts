/** The dialog before and after the end of a session: what it says, and what its buttons do. It draws nothing. */
import type { TenureError } from '../errors.ts';
import type { SessionMonitor, SessionState } from '../monitor/types.ts';
import { here } from '../page.ts';
import type { TenureClient } from '../types.ts';
import { countdown, english, why, type Texts } from './texts.ts';

export interface DialogOptions {
  /** Keeps the session alive. `monitor.extend()` unless told otherwise. */
  onStay?: (() => unknown) | undefined;
  /** `client.logout()`, back to this origin, unless told otherwise. */
  onSignOut?: (() => unknown) | undefined;
  /** `client.loginWithRedirect()`, and back to this page, unless told otherwise. */
  onSignIn?: (() => unknown) | undefined;
  /** With `atEnd: 'nothing'`: whether somebody is signed in by now. `client.checkSession()` unless told otherwise. */
  onCheck?: (() => unknown) | undefined;
  /**
   * When the session has ended. `sign-in` (default): a button to sign in again. `nothing`: the dialog goes away; when
   * the person comes back it is asked whether they signed in elsewhere, and if not there is the button.
   * `{ goTo }`: a landing page.
   */
  atEnd?: 'sign-in' | 'nothing' | { goTo: string } | undefined;
  texts?: Texts | undefined;
}

/** What is to be shown, in words. */
export interface DialogView {
  /** Each is a dialog of its own, in which the focus begins anew. */
  when: 'warning' | 'ended';
  title: string;
  sentence?: string | undefined;
  /** What is left, renewed each second. */
  left?: string | undefined;
  /** What a screen reader tells, politely, when it changes. */
  spoken?: string | undefined;
  alert?: string | undefined;
  /** The first one has the focus. */
  buttons: { text: string; press: () => void }[];
}

/** What is remembered for as long as a phase lasts. */
interface Phase {
  name: 'before' | 'active' | 'warning' | 'ended';
  busy: boolean;
  failed: boolean;
  /** Put aside, where nothing can be extended. */
  aside: boolean;
  /** The person came back after the end, and is signed in nowhere. */
  returned: boolean;
  /** The person was sent to the landing page. */
  sent: boolean;
  spoken?: { step: number | undefined; willEnd: string; text: string };
}

const enter = (name: Phase['name']): Phase =>
  ({ name, busy: false, failed: false, aside: false, returned: false, sent: false });

/** Seconds at which a screen reader tells what is left. Each second would drown everything else. */
const SPOKEN = [10, 30, 60, 120, 300, 600];

export class SessionDialog {
  readonly #monitor: SessionMonitor;
  readonly #client: TenureClient | undefined;
  readonly #listeners = new Set<() => void>();
  #options: DialogOptions;
  #phase = enter('before');
  #view: DialogView | undefined;
  #watch: AbortController | undefined;

  /** `client`: for what the options do not say; whoever it still knows is not told of an end of its own session. */
  constructor(monitor: SessionMonitor, client?: TenureClient, options: DialogOptions = {}) {
    this.#monitor = monitor;
    this.#client = client;
    this.#options = options;
    this.#look();
  }

  /** What to show now; `undefined`: nothing. The same object until a word of it changes. */
  readonly get = (): DialogView | undefined => this.#view;

  /** The dialog works for as long as somebody listens. Returns how to stop. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#watch) this.#begin();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size) return;
      this.#watch?.abort();
      this.#watch = undefined;
    };
  };

  /** Other words, or other things to do, from now on. */
  set(options: DialogOptions): void {
    this.#options = options;
    if (this.#watch) this.#look();
  }

  /**
   * For Escape, and the ways of other devices to dismiss something. It is what somebody does who is there and wants to
   * go on, so it means to stay; it never signs out. After the end it does nothing: who pressed it to stay, a moment too
   * late, must not overlook that it is over.
   */
  readonly escape = (): void => {
    if (this.#view?.when === 'warning') this.#stay();
  };

  #begin(): void {
    const { signal } = (this.#watch = new AbortController());
    const stop = [this.#monitor.subscribe(() => this.#look()), this.#client?.subscribe(() => this.#look())];
    signal.addEventListener('abort', () => stop.forEach((one) => one?.()));
    const back = () => document.visibilityState === 'visible' && void this.#back();
    for (const name of ['focus', 'pointerdown', 'keydown']) addEventListener(name, back, { signal });
    document.addEventListener('visibilitychange', back, { signal });
    this.#look();
  }

  /** Something may be new: of the session, of the options, or of what was tried. */
  #look(): void {
    const name = phaseOf(this.#phase.name, this.#monitor.state.status);
    if (name !== this.#phase.name) this.#phase = enter(name);
    const view = this.#draw(this.#monitor.state);
    if (this.#watch && name === 'ended') this.#leave();
    if (JSON.stringify(view) === JSON.stringify(this.#view)) return;
    this.#view = view;
    for (const listener of [...this.#listeners]) listener();
  }

  #draw(session: SessionState): DialogView | undefined {
    const { name, aside, returned } = this.#phase;
    const { atEnd = 'sign-in' } = this.#options;
    if (name === 'warning' && !aside) return this.#warning(session);
    return this.#over && (atEnd === 'sign-in' || (atEnd === 'nothing' && returned)) ? this.#ended(session) : undefined;
  }

  #warning({ status, extendable, secondsLeft = 0 }: SessionState): DialogView {
    const { texts = english, onSignOut } = this.#options;
    const [offline, left] = [status === 'offline', countdown(texts, secondsLeft)];
    const signOut = onSignOut ?? (() => this.#client?.logout({ returnTo: location.origin }));
    return {
      when: 'warning',
      title: extendable ? texts.stillThere : texts.endsSoon,
      sentence: extendable ? undefined : texts.cannotStay,
      left: offline ? undefined : left,
      spoken: this.#spoken(texts.willEnd, secondsLeft, left),
      alert: offline ? texts.offline : this.#failed(texts),
      buttons: [
        { text: extendable ? texts.stay : texts.understood, press: this.escape },
        { text: texts.signOut, press: () => void this.#run(signOut) },
      ],
    };
  }

  #spoken(willEnd: string, secondsLeft: number, text: string): string {
    const step = SPOKEN.find((seconds) => secondsLeft <= seconds);
    const { spoken } = this.#phase;
    if (spoken && spoken.step === step && spoken.willEnd === willEnd) return spoken.text;
    this.#phase.spoken = { step, willEnd, text };
    return text;
  }

  #ended({ reason }: SessionState): DialogView {
    const { texts = english, onSignIn } = this.#options;
    const signIn = onSignIn ?? (() => this.#client?.loginWithRedirect({ appState: here() }));
    return {
      when: 'ended',
      title: texts.signedOut,
      sentence: why(texts, reason),
      alert: this.#failed(texts),
      buttons: [{ text: texts.signIn, press: () => void this.#run(signIn, { thenAsk: true }) }],
    };
  }

  #failed(texts: Texts): string | undefined {
    return this.#phase.failed ? texts.failed : undefined;
  }

  #stay(): void {
    const stay = this.#options.onStay ?? (() => keepAlive(this.#monitor, this.#client));
    if (this.#monitor.state.extendable) return void this.#run(stay, { thenAsk: true });
    this.#phase.aside = true;
    this.#look();
  }

  /** One thing at a time. What it brings about is the server's word. */
  async #run(what: () => unknown, { thenAsk = false } = {}): Promise<void> {
    const phase = this.#phase;
    if (phase.busy) return;
    Object.assign(phase, { busy: true, failed: false });
    this.#look();
    try {
      await what();
      if (thenAsk) await this.#monitor.checkNow();
    } catch {
      phase.failed = true;
    }
    phase.busy = false;
    this.#look();
  }

  /** The session is over, and so is the sign-in here: offline refresh tokens outlive the session. */
  get #over(): boolean {
    const own = this.#client?.monitor === this.#monitor && this.#client.authState.isAuthenticated;
    return this.#phase.name === 'ended' && !own;
  }

  #leave(): void {
    const { atEnd } = this.#options;
    if (!this.#over || typeof atEnd !== 'object' || this.#phase.sent) return;
    this.#phase.sent = true;
    const { href } = new URL(atEnd.goTo, location.href);
    if (href !== location.href) location.assign(href);
  }

  /** Somebody looks at the page again, or touches it. */
  async #back(): Promise<void> {
    const phase = this.#phase;
    if (!this.#over || this.#options.atEnd !== 'nothing' || phase.returned || phase.busy) return;
    phase.busy = true;
    const check = async () => (this.#options.onCheck ?? (() => this.#client?.checkSession()))();
    const signedIn = await check().catch(() => false);
    phase.busy = false;
    if (signedIn) return this.#monitor.checkNow();
    phase.returned = true;
    this.#look();
  }
}

/** Only whose session was seen alive hears of its end; without a network the dialog stays as it is. */
function phaseOf(before: Phase['name'], status: SessionState['status']): Phase['name'] {
  if (status === 'offline' || (status === 'ended' && before === 'before')) return before;
  return status === 'unknown' ? 'before' : status;
}

/** An application that may not extend can still ask for a token, which is an activity too. */
async function keepAlive(monitor: SessionMonitor, client: TenureClient | undefined): Promise<void> {
  try {
    await monitor.extend();
  } catch (error) {
    if (!client || (error as TenureError).code !== 'extension_refused') throw error;
    await client.getTokenSilently({ cacheMode: 'off' });
  }
}
