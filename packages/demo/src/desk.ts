/** The demo's own endpoints: what the panel shows, and what its buttons do. */
import { place } from './place.ts';

export interface Limit {
  name: string;
  seconds: number | null;
  at: string | null;
  source: string;
  ends: string;
}

export interface Ending {
  at: string;
  reason: string;
  rule: string;
  by?: string;
}

export interface FamilyNode {
  id: string;
  generation: number;
  kind: string;
  last_exchanged_at: string;
  limits: Limit[];
  end: Ending | null;
}

export interface Delivery {
  state: string;
  attempts: number;
  last_at: string | null;
  next_at: string | null;
  last_error: string | null;
}

export interface Application {
  client_id: string;
  name: string;
  first_seen_at: string;
  last_seen_at: string;
  refresh_tokens: FamilyNode[];
  delivery: Delivery | null;
}

export interface Activity {
  at: string;
  type: string;
  client_id?: string;
  description?: string;
  details?: Record<string, unknown>;
}

/** A session at another identity provider that stands behind this one. */
export interface Upstream {
  connection: string;
  issuer: string;
  began_at: string;
  idp_expires_at: string | null;
  ended_at: string | null;
}

export interface Graph {
  upstream: Upstream[] | null;
  limits: Limit[];
  ends_first: Ending | null;
  at_next_activity: Ending | null;
  end: Ending | null;
  applications: Application[];
  activities: Activity[];
}

export interface Look {
  now: string;
  /** How far the server's clock was moved, in milliseconds. */
  moved_ms: number;
  /** Today's settings, in seconds. */
  today: { idle_timeout: number; absolute_lifetime: number };
  session: {
    sid: string;
    began_at: string;
    authenticated_at: string;
    last_active_at: string;
    told: { site: string; reason: string; at: string }[];
  } | null;
  graph: Graph | null;
}

/** A named profile, or what the demo began with. */
export type Profile = 'start' | 'short-lived' | 'sensitive' | 'long-lived';

/** @throws Error in words for the person */
async function ask<Answer>(path: string, body: object): Promise<Answer> {
  const response = await fetch(`${place.api}/demo/${path}`, {
    method: 'POST',
    // One of the answers takes a cookie away.
    credentials: 'include',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error((answer as { error?: string }).error ?? `the demo answered ${response.status}`);
  return answer as Answer;
}

export const desk = {
  look: (sid: string | undefined) => ask<Look>('look', sid === undefined ? {} : { sid }),
  profile: (profile: Profile) => ask('limits', { profile }),
  limits: (idle_timeout: number, absolute_lifetime: number) => ask('limits', { idle_timeout, absolute_lifetime }),
  advance: (advance_seconds: number) => ask('clock', { advance_seconds }),
  endAsAdministrator: (sid: string) => ask('end', { by: 'administrator', sid }),
  endByPasswordChange: () => ask('end', { by: 'password_change' }),
  /** Takes the server's cookie out of this browser, and leaves the session alone. */
  dropCookie: () => ask('drop-cookie', {}),
};
