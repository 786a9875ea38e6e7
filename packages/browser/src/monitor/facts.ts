import type { EndReason } from './types.ts';

/** What the server says of a session (`GET /session/status`). Instants are Unix seconds of the server's clock. */
export type WireStatus = WireActive | WireOver;

export interface WireActive {
  active: true;
  sid: string;
  now: number;
  expires_at: number;
  /** An application (tenure-app) may have only one of both limits; the server has both. */
  idle_expires_at: number | null;
  absolute_expires_at: number | null;
  extend_before: number;
  will_end: { reason: EndReason; rule: string };
  limits: { idle_timeout: WireLimit | null; absolute_lifetime: WireLimit | null };
}

interface WireLimit {
  seconds: number;
  since: number;
  expires_at: number;
  rule: string;
  today: { seconds: number; expires_at: number; rule: string };
}

export interface WireOver {
  active: false;
  sid: string;
  now: number;
  reason: EndReason;
  rule: string;
  ended_at: number;
}

/** Whether it is a status at all, and not what something between here and the server made of it. */
export function isStatus(value: unknown): value is WireStatus {
  const { active, sid, now } = (value ?? {}) as Record<string, unknown>;
  return typeof active === 'boolean' && typeof sid === 'string' && typeof now === 'number';
}

/** A live session, in milliseconds of the server's clock. */
export interface Facts {
  sid: string;
  /** When the server said so. */
  at: number;
  idleDeadline: number;
  absoluteDeadline: number;
  /** An activity from this instant on comes too late. */
  endsAt: number;
  /** The instant at which the session is over for all; not before `endsAt`. */
  overAt: number;
  reason: EndReason;
  rule: string;
  extendable: boolean;
  idleTimeout: number;
  activeAt: number;
}

export function factsOf(status: WireActive): Facts {
  const { idle_timeout: idle, absolute_lifetime: absolute } = status.limits;
  // Where a lowered setting comes first, it is the rule.
  const lowered =
    status.extend_before < status.expires_at && [idle, absolute].find((limit) => limit?.today.expires_at === status.extend_before);
  const { reason, rule } = lowered ? { reason: lowered === idle ? ('idle' as const) : ('absolute' as const), rule: lowered.today.rule } : status.will_end;
  return {
    sid: status.sid,
    at: milliseconds(status.now),
    idleDeadline: milliseconds(status.idle_expires_at),
    absoluteDeadline: milliseconds(status.absolute_expires_at),
    endsAt: milliseconds(status.extend_before),
    overAt: milliseconds(status.expires_at),
    reason,
    rule,
    extendable: reason === 'idle',
    idleTimeout: milliseconds(idle && Math.min(idle.seconds, idle.today.seconds)),
    activeAt: milliseconds(idle?.since),
  };
}

/** What there is not, is never. */
const milliseconds = (seconds: number | null | undefined) => (seconds ?? Infinity) * 1000;
