/** What the lanes show: from the server's graph of the session and this site's tokens. Draws nothing, asks no clock. */
import type { Application, FamilyNode, Graph, Limit, Look, Upstream } from './desk.ts';
import { reasonInWords, ruleInWords, span } from './words.ts';

/** A token that this site holds, as far as its text says. Instants are milliseconds of the server's clock. */
export interface Held {
  issuedAt: number;
  expiresAt: number;
}

export interface Tokens {
  sid: string | undefined;
  access: Held | undefined;
  id: Held | undefined;
}

export interface Lane {
  name: string;
  /** How long the limit is, and where that comes from. */
  detail?: string;
  tone: 'upstream' | 'session' | 'application';
  /** When it began and ends; nothing where the lane only says something. */
  bar?: { from: number; to: number };
  /** Stopped before its deadline. */
  endedAt?: number;
  /** A setting that was lowered since: it ends the session at the next activity from then on. */
  stricterAt?: number;
  /** Nothing ends before this. */
  wins: boolean;
  /** In place of the time that is left. */
  note?: string;
}

export interface Layer {
  title: string;
  /** What happened to this layer as a whole, in words. */
  state: string;
  lanes: Lane[];
  /** Instants at which somebody did something. */
  activities: number[];
}

const at = (text: string) => Date.parse(text);

export function layers(look: Look, tokens: Tokens, client: string): Layer[] {
  const { graph, session } = look;
  if (!graph || !session) return [];
  const now = at(look.now);
  return [
    upstreamLayer(graph.upstream ?? []),
    sessionLayer(graph, session, now),
    ...graph.applications.map((application) => applicationLayer(application, tokens, application.client_id === client)),
  ];
}

function upstreamLayer(upstream: Upstream[]): Layer {
  const lanes = upstream.map((one): Lane => {
    const lane: Lane = { name: one.connection, tone: 'upstream', detail: `at ${new URL(one.issuer).host}`, wins: false };
    const to = one.ended_at ?? one.idp_expires_at;
    if (to) lane.bar = { from: at(one.began_at), to: at(to) };
    else lane.note = 'no deadline told';
    if (one.ended_at) lane.endedAt = at(one.ended_at);
    return lane;
  });
  const state = lanes.length ? '' : 'none: Ada signed in with her password here, and no other identity provider is in play';
  return { title: 'Upstream session', state, lanes, activities: [] };
}

function sessionLayer(graph: Graph, session: NonNullable<Look['session']>, now: number): Layer {
  const stored = (name: string) => graph.limits.find((one) => one.name === name && one.ends === 'by itself');
  const lane = (title: string, name: string, from: number): Lane => {
    const limit = stored(name);
    const made: Lane = { name: title, tone: 'session', wins: false };
    if (!limit?.at) return made;
    made.bar = { from, to: at(limit.at) };
    made.detail = lengthOf(graph.limits, limit);
    made.wins = !graph.end && graph.ends_first?.rule === `stored_${name === 'idle_timeout' ? 'idle' : 'absolute'}`;
    const stricter = lowered(graph.limits, limit);
    if (stricter !== undefined && !graph.end) made.stricterAt = stricter;
    if (graph.end) made.endedAt = at(graph.end.at);
    return made;
  };
  const lanes = [
    lane('Idle timeout', 'idle_timeout', at(session.last_active_at)),
    lane('Absolute lifetime', 'absolute_lifetime', at(session.authenticated_at)),
  ];
  const upstream = graph.limits.find((one) => one.name === 'upstream_expiry');
  if (upstream?.at) {
    const made: Lane = { name: 'Upstream expiry', tone: 'session', detail: 'as told', bar: { from: at(session.began_at), to: at(upstream.at) }, wins: false };
    made.wins = !graph.end && graph.ends_first?.rule === 'upstream_session_expiry';
    if (graph.end) made.endedAt = at(graph.end.at);
    lanes.push(made);
  }
  const state = graph.end
    ? `ended: ${reasonInWords(graph.end.reason)}`
    : graph.at_next_activity && at(graph.at_next_activity.at) <= now
      ? `a lowered setting ends it at the next activity (${ruleInWords(graph.at_next_activity.rule)})`
      : `alive; the ${ruleInWords(graph.ends_first?.rule)} ends it first`;
  return { title: 'Session', state, lanes, activities: [at(session.began_at), at(session.last_active_at)] };
}

/** `5 min`, and today's setting where it is another one. */
function lengthOf(limits: Limit[], stored: Limit): string {
  const today = limits.find((one) => one.name === stored.name && one.ends === 'at the next activity');
  const length = (limit: Limit) => span((limit.seconds ?? 0) * 1000);
  return today && today.seconds !== stored.seconds ? `${length(stored)} (${length(today)} today)` : length(stored);
}

/** When today's setting ends the session at an activity, if that is before the stored deadline. */
function lowered(limits: Limit[], stored: Limit): number | undefined {
  const today = limits.find((one) => one.name === stored.name && one.ends === 'at the next activity');
  return today?.at && stored.at && at(today.at) < at(stored.at) ? at(today.at) : undefined;
}

function applicationLayer(application: Application, tokens: Tokens, here: boolean): Layer {
  const lanes: Lane[] = [];
  const held = (name: string, token: Held | undefined) => {
    const lane: Lane = { name, tone: 'application', wins: false };
    if (token) lane.bar = { from: token.issuedAt, to: token.expiresAt };
    else lane.note = 'none held here';
    lanes.push(lane);
  };
  if (here) {
    held('Access token', tokens.access);
    held('ID token', tokens.id);
  }
  // What is over stands above what lives.
  const families = [...application.refresh_tokens].sort((a, b) => Number(!a.end) - Number(!b.end) || at(a.last_exchanged_at) - at(b.last_exchanged_at));
  lanes.push(...families.map(familyLane));
  const where = here ? 'this site' : 'its other tokens are known to it alone';
  return {
    title: `Application session: ${application.name || application.client_id}`,
    state: [where, told(application)].filter(Boolean).join('; '),
    lanes,
    activities: [at(application.first_seen_at), at(application.last_seen_at)],
  };
}

function familyLane(family: FamilyNode): Lane {
  const deadlines = family.limits.filter((one) => one.at && one.ends === 'by itself').map((one) => at(one.at as string));
  const kind = family.kind === 'offline' ? 'offline' : 'online';
  const lane: Lane = { name: `Refresh tokens, ${kind}`, detail: `generation ${family.generation}`, tone: 'application', wins: false };
  const from = at(family.last_exchanged_at);
  if (deadlines.length) lane.bar = { from, to: Math.min(...deadlines) };
  if (family.end) {
    lane.endedAt = at(family.end.at);
    lane.bar ??= { from, to: lane.endedAt };
    lane.detail += `: ${reasonInWords(family.end.reason)}`;
  } else if (!lane.bar) {
    lane.note = 'end with the session';
  }
  return lane;
}

/** How far an application was told of the end. */
function told({ delivery }: Application): string {
  if (!delivery) return '';
  const attempts = `${delivery.attempts} ${delivery.attempts === 1 ? 'attempt' : 'attempts'}`;
  return delivery.state === 'pending' ? `is being told of the end (${attempts})` : `told of the end: ${delivery.state} (${attempts})`;
}
