/**
 * The monitor's decisions: `step(state, event, now)` says what is known now, and what to do. It asks no clock, sets no
 * timer and sends nothing. Whatever it tells the person comes from an answer of the server, never from this clock
 * alone: the clock says only when to ask.
 */
import { factsOf, type Facts, type WireStatus } from './facts.ts';
import type { MonitorEvents, SessionState } from './types.ts';

/** Two clocks: the one that people set, and the one that only counts (and may stand still while the machine sleeps). */
export interface Instant {
  wall: number;
  mono: number;
}

export interface Settings {
  /** Milliseconds. */
  warnBefore: number;
  extendOnActivity: boolean;
}

export type MonitorEvent =
  /** Begin to watch, a token came, the application wants to know: ask. */
  | { type: 'ask' }
  /** Somebody looks at the page again, or the network is back: ask, where there is something to watch. */
  | { type: 'look' }
  /** The timer that `wake` set, or nothing in particular. */
  | { type: 'tick' }
  /** The person did something in this page. */
  | { type: 'activity' }
  /** The person, or the application, keeps the session alive. */
  | { type: 'extend' }
  /** A status: asked for, by an extension, or `told` by the stream or by another tab. `took`: milliseconds on the way. */
  | { type: 'answer'; status: WireStatus; by: 'ask' | 'extend' | 'told'; took: number }
  | { type: 'failure'; of: 'ask' | 'extend'; why: Failure; retryAfter?: number };

export type Failure =
  /** No answer, or one of a server in trouble. */
  | 'unreachable'
  /** Nothing proves a session of this person any more. */
  | 'unknown'
  /** The cookie that proved it is gone. */
  | 'gone'
  /** This application may not. */
  | 'refused';

export type Command =
  | { do: 'ask' }
  | { do: 'extend' }
  /** The answer is news: other tabs want it. */
  | { do: 'tell'; status: WireStatus }
  /** In place of the last timer. Without `after`: no more timer. */
  | { do: 'wake'; after: number | undefined }
  | { do: 'raise'; event: keyof MonitorEvents };

export interface State {
  readonly settings: Settings;
  readonly shown: SessionState;
  readonly facts?: Facts | undefined;
  /** Milliseconds that the server's clock is ahead of this one. */
  readonly skew: number;
  /** When the clocks were last looked at. */
  readonly seen?: Instant | undefined;
  /** When this page last had an answer, by the clock that only counts. */
  readonly heardAt: number;
  /** The session whose end was told. */
  readonly endedSid?: string | undefined;
  /** The clocks drifted apart since the server was heard: the machine slept, or somebody set the clock. */
  readonly doubtful: boolean;
  readonly asking: boolean;
  readonly extending: boolean;
  /** The deadline that was warned of. */
  readonly warnedOf?: number | undefined;
  /** The person did something that the server does not know of. */
  readonly active: boolean;
  /** The server does not let this application extend. */
  readonly refused: boolean;
  readonly failures: number;
  readonly retryAt: number;
}

export interface Step {
  state: State;
  commands: Command[];
}

const NOTHING: SessionState = Object.freeze({ status: 'unknown', extendable: false });

/** Longest nap: a sleep of the machine is noticed within it. */
const NAP = 60_000;
const DRIFT = 2_000;
/** Answers tell whole seconds, so skews within this say the same. */
const WOBBLE = 1_500;
const HALF = 500;
/** Looking again so soon brings nothing new. */
const YOUNG = 2_000;
const AGAIN = 300;
const LONGEST_RETRY = 60_000;
/** What a person does reaches the server at most once in a tenth of the idle timeout. */
const SHARE = 10;
const LONGEST_PAUSE = 300_000;

export function begin(settings: Settings): State {
  return {
    settings, shown: NOTHING, skew: 0, heardAt: -AGAIN, doubtful: false, asking: false, extending: false, active: false, refused: false,
    failures: 0, retryAt: 0,
  };
}

export function step(before: State, event: MonitorEvent, now: Instant): Step {
  const drift = before.seen ? now.wall - before.seen.wall - (now.mono - before.seen.mono) : 0;
  const drifted = Math.abs(drift) > DRIFT;
  const [took, commands] = take({ ...before, seen: now, doubtful: before.doubtful || drifted }, event, now);
  // An answer that comes together with a drift may have been given before it.
  const [state, more, after] = settle(drifted && took.facts ? { ...took, doubtful: true } : took, commands, now);
  const all: Command[] = [...more, { do: 'wake', after }];
  const { shown } = state;
  if (shown !== before.shown) all.push({ do: 'raise', event: 'change' });
  if (shown.status === 'ended' && before.shown.status !== 'ended') all.push({ do: 'raise', event: 'ended' });
  return { state, commands: all };
}

type Taken = [State, Command[]];

/** What an event changes in what is known. */
function take(state: State, event: MonitorEvent, now: Instant): Taken {
  switch (event.type) {
    case 'ask':
      return ask(state, []);
    case 'look': {
      const stale = state.doubtful || now.mono - state.heardAt > YOUNG;
      return state.failures || (state.facts && stale) ? ask(state, []) : [state, []];
    }
    case 'tick':
      return [state, []];
    case 'activity':
      return [{ ...state, active: true }, []];
    case 'extend':
      return extend(state, []);
    case 'answer':
      return event.by === 'told' ? told(state, event.status, now) : answered(state, event, now);
    case 'failure':
      return [failed(state, event, now), []];
  }
}

function ask(state: State, commands: Command[]): Taken {
  if (state.asking) return [state, commands];
  return [{ ...state, asking: true }, [...commands, { do: 'ask' }]];
}

function extend(state: State, commands: Command[]): Taken {
  if (state.extending) return [state, commands];
  return [{ ...state, extending: true, active: false }, [...commands, { do: 'extend' }]];
}

type Answer = Extract<MonitorEvent, { type: 'answer' }>;

/** An answer to this page. */
function answered(before: State, { status, by, took }: Answer, now: Instant): Taken {
  const measured = status.now * 1000 + HALF - (now.wall - took / 2);
  const steady = before.facts && !before.doubtful && Math.abs(measured - before.skew) < WOBBLE;
  const state: State = {
    ...before,
    skew: steady ? before.skew : measured,
    heardAt: now.mono,
    doubtful: false,
    failures: 0,
    asking: before.asking && by !== 'ask',
    extending: before.extending && by !== 'extend',
  };
  return learn(state, status, [{ do: 'tell', status }]);
}

/** What the stream or another tab says. It may have waited on its way, and be of another session of this browser. */
function told(state: State, status: WireStatus, now: Instant): Taken {
  if (status.sid === state.endedSid) return [state, []];
  if (status.sid !== state.facts?.sid) return ask(state, []);
  const skew = Math.max(state.skew, status.now * 1000 + HALF - now.wall);
  return learn(skew - state.skew < WOBBLE ? state : { ...state, skew }, status, []);
}

function learn(state: State, status: WireStatus, ifNews: Command[]): Taken {
  if (!status.active) {
    if (state.endedSid === status.sid && state.shown.status === 'ended') return [state, []];
    const shown: SessionState = {
      status: 'ended',
      endsAt: status.ended_at * 1000 - state.skew,
      rule: status.rule,
      reason: status.reason,
      extendable: false,
      secondsLeft: 0,
    };
    return [{ ...state, facts: undefined, endedSid: status.sid, shown, active: false }, ifNews];
  }
  const facts = factsOf(status);
  const old = state.facts?.sid === facts.sid ? state.facts : undefined;
  // Answers may overtake each other; each is a state, so the latest counts. No session comes back to life.
  if (state.endedSid === facts.sid || (old && isOlder(facts, old))) return [state, []];
  const next: State = { ...state, facts, endedSid: undefined };
  if (!old) return [{ ...next, warnedOf: undefined, active: false, refused: false }, ifNews];
  if (facts.activeAt === old.activeAt && facts.endsAt === old.endsAt) return [next, []];
  const extended: Command[] = facts.endsAt > old.endsAt ? [{ do: 'raise', event: 'extended' }] : [];
  return [{ ...next, active: state.active && facts.activeAt === old.activeAt }, [...ifNews, ...extended]];
}

/** Older by more than a request takes: then somebody set the server's clock back, and what it says now counts. */
const OVERTAKEN = 60_000;

const isOlder = (one: Facts, other: Facts) =>
  (one.at < other.at && one.at > other.at - OVERTAKEN) || (one.at === other.at && one.activeAt < other.activeAt);

type Failed = Extract<MonitorEvent, { type: 'failure' }>;

function failed(before: State, { of, why, retryAfter }: Failed, now: Instant): State {
  const state = of === 'ask' ? { ...before, asking: false } : { ...before, extending: false };
  switch (why) {
    case 'unreachable': {
      const pause = Math.max(Math.min(1000 * 2 ** (state.failures + 1), LONGEST_RETRY), (retryAfter ?? 0) * 1000);
      return { ...state, failures: state.failures + 1, retryAt: now.mono + pause };
    }
    case 'refused':
      return of === 'extend' ? { ...state, refused: true } : { ...state, facts: undefined, shown: NOTHING };
    case 'gone':
    case 'unknown': {
      if (of === 'extend') return state;
      const ended = why === 'gone' && state.facts;
      const shown: SessionState = ended ? { status: 'ended', endsAt: now.wall, extendable: false, secondsLeft: 0 } : NOTHING;
      // What was known to be over stays so.
      return state.shown.status === 'ended' ? state : { ...state, facts: undefined, endedSid: state.facts?.sid, failures: 0, shown };
    }
  }
}

/** What is shown, whether to ask, and when to look again: from what is known, whatever brought it. */
function settle(state: State, commands: Command[], now: Instant): Settled {
  return state.facts ? watch(state, state.facts, commands, now) : rest(state, commands, now);
}

type Settled = [State, Command[], number | undefined];

/** Nothing to count down to. While the server cannot be reached, it is asked again now and then. */
function rest(state: State, commands: Command[], now: Instant): Settled {
  if (!state.failures || state.shown.status === 'ended') return [state, commands, undefined];
  const shown = show(state, { status: 'offline', extendable: false });
  return retry({ ...state, shown }, commands, now);
}

function retry(state: State, commands: Command[], now: Instant): Settled {
  if (now.mono >= state.retryAt && !state.asking) return [...ask(state, commands), NAP];
  return [state, commands, Math.min(Math.max(state.retryAt - now.mono, 0), NAP)];
}

function watch(before: State, facts: Facts, commands: Command[], now: Instant): Settled {
  const left = facts.endsAt - (now.wall + before.skew);
  const warnBefore = Math.min(before.settings.warnBefore, facts.idleTimeout / 2);
  const view = (status: SessionState['status']): SessionState => ({
    status,
    idleDeadline: facts.idleDeadline - before.skew,
    absoluteDeadline: facts.absoluteDeadline - before.skew,
    endsAt: facts.endsAt - before.skew,
    rule: facts.rule,
    reason: facts.reason,
    extendable: facts.extendable && !before.refused,
    secondsLeft: Math.max(0, Math.ceil(left / 1000)),
  });
  const state = (status: SessionState['status']): State => ({ ...before, shown: show(before, view(status)) });

  if (before.failures) return retry(state('offline'), commands, now);
  if (before.doubtful) return askAgain(state(kept(before)), commands, now);
  if (left > warnBefore) return active(state('active'), facts, left - warnBefore, commands, now);
  // The server itself must have said that the end is near.
  if (facts.at < facts.endsAt - warnBefore) return askAgain(state(kept(before)), commands, now);
  const warned = before.warnedOf === facts.endsAt;
  const next: State = { ...state('warning'), warnedOf: facts.endsAt };
  const said: Command[] = warned ? commands : [...commands, { do: 'raise', event: 'warning' }];
  if (left > 0) return [next, said, (left % 1000) || 1000];
  // Whether it is over is the server's word: another application may have kept it alive.
  if (facts.at < facts.endsAt) return askAgain(next, said, now);
  // A lowered setting: any activity would end it, and it is over for all a little later.
  const over = facts.overAt - (now.wall + before.skew);
  return over > 0 ? [next, said, Math.min(over, NAP)] : askAgain(next, said, now);
}

/** Asks, unless an answer has only just come: it tells whole seconds, so that "not yet" is a matter of rounding. */
function askAgain(state: State, commands: Command[], now: Instant): Settled {
  const quiet = state.heardAt + AGAIN - now.mono;
  return quiet > 0 ? [state, commands, quiet] : [...ask(state, commands), NAP];
}

/** While the server is asked, what was shown stays; at first that is nothing yet. */
const kept = ({ shown }: State) => (shown.status === 'warning' ? 'warning' : 'active');

/** Far from the end: what the person does is passed on, but not each movement. */
function active(state: State, facts: Facts, untilWarning: number, commands: Command[], now: Instant): Settled {
  const nap = Math.min(untilWarning, NAP);
  const passes = state.settings.extendOnActivity && facts.extendable && !state.refused && !state.asking && !state.extending;
  if (!state.active || !passes) return [{ ...state, active: state.active && state.settings.extendOnActivity }, commands, nap];
  const pause = Math.min(facts.idleTimeout / SHARE, LONGEST_PAUSE);
  const due = facts.activeAt + pause - (now.wall + state.skew);
  return due > 0 ? [state, commands, Math.min(nap, due)] : [...extend(state, commands), nap];
}

/** The same object until it says something else. The seconds count as such only in a warning. */
function show({ shown }: State, next: SessionState): SessionState {
  const telling = Object.keys(next) as (keyof SessionState)[];
  const same = telling.every((name) => shown[name] === next[name] || (name === 'secondsLeft' && next.status !== 'warning'));
  return same ? shown : next;
}
