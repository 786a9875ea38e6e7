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
  const isLowered = status.extend_before < status.expires_at;
  const earlier = (limit: WireLimit | null) => limit?.today.expires_at === status.extend_before && isLowered && limit;
  const lowered = earlier(idle) || earlier(absolute);
  const { reason, rule } = lowered ? { reason: lowered === idle ? ('idle' as const) : ('absolute' as const), rule: lowered.today.rule } : status.will_end;
  return {
    sid: status.sid,
    at: status.now * 1000,
    idleDeadline: (status.idle_expires_at ?? Infinity) * 1000,
    absoluteDeadline: (status.absolute_expires_at ?? Infinity) * 1000,
    endsAt: status.extend_before * 1000,
    overAt: status.expires_at * 1000,
    reason,
    rule,
    extendable: reason === 'idle',
    idleTimeout: (idle ? Math.min(idle.seconds, idle.today.seconds) : Infinity) * 1000,
    activeAt: (idle?.since ?? 0) * 1000,
  };
}
