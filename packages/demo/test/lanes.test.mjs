// What the lanes say, and which window of time they show: pure functions of what the server tells.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSync } from 'esbuild';

async function load(name) {
  const entry = new URL(`../src/${name}.ts`, import.meta.url).pathname;
  const [{ text }] = buildSync({ entryPoints: [entry], bundle: true, format: 'esm', write: false }).outputFiles;
  return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
}
const [{ layers }, { gridOf, place, windowOf }, { span }] = await Promise.all(['lanes', 'axis', 'words'].map(load));

const START = Date.parse('2026-01-01T00:00:00Z');
const iso = (seconds) => new Date(START + seconds * 1000).toISOString();
const limit = (name, seconds, at, ends, source = 'stored copy') => ({ name, seconds, at: iso(at), source, ends });

// A session of 5 min idle and an hour, as the server tells of it; `graph` is put over it.
const told = (graph = {}, now = 60) => ({
  now: iso(now),
  moved_ms: 0,
  today: { idle_timeout: 300, absolute_lifetime: 3600 },
  session: { sid: 's', began_at: iso(0), authenticated_at: iso(0), last_active_at: iso(0), told: [] },
  graph: {
    upstream: [],
    limits: [
      limit('idle_timeout', 300, 300, 'by itself'),
      limit('absolute_lifetime', 3600, 3600, 'by itself'),
      limit('idle_timeout', 300, 300, 'at the next activity', 'setting'),
      limit('absolute_lifetime', 3600, 3600, 'at the next activity', 'setting'),
    ],
    ends_first: { at: iso(300), reason: 'idle', rule: 'stored_idle' },
    at_next_activity: null,
    end: null,
    applications: [],
    activities: [],
    ...graph,
  },
});
const NOTHING = { sid: 's', access: undefined, id: undefined };
const of = (look, tokens = NOTHING) => Object.fromEntries(layers(look, tokens, 'shop').map((layer) => [layer.title, layer]));

test('without a session there is no lane', () => {
  assert.deepEqual(layers({ ...told(), session: null, graph: null }, NOTHING, 'shop'), []);
});

test('the limit that wins is marked, and only that', () => {
  const { Session } = of(told());
  assert.equal(Session.state, 'alive; the idle timeout ends it first');
  assert.deepEqual(Session.lanes.map(({ name, wins, detail }) => [name, wins, detail]), [['Idle timeout', true, '5 min'], ['Absolute lifetime', false, '1 h']]);
  assert.deepEqual(Session.lanes[0].bar, { from: START, to: START + 300_000 });
});

test('a lowered setting is shown beside the stored deadline, and said when any activity would end the session', () => {
  const lowered = {
    limits: [limit('idle_timeout', 300, 300, 'by itself'), limit('idle_timeout', 60, 60, 'at the next activity', 'setting')],
    at_next_activity: { at: iso(60), reason: 'idle', rule: 'setting_idle' },
  };
  const before = of(told(lowered, 30)).Session;
  assert.equal(before.state, 'alive; the idle timeout ends it first');
  assert.equal(before.lanes[0].stricterAt, START + 60_000);
  assert.equal(before.lanes[0].detail, '5 min (1 min today)');
  assert.match(of(told(lowered, 90)).Session.state, /^a lowered setting ends it at the next activity/);
});

test('an ended session says why, and nothing wins any more', () => {
  const { Session } = of(told({ end: { at: iso(120), reason: 'user_logout', rule: 'logout' }, ends_first: null }));
  assert.equal(Session.state, 'ended: the person signed out');
  assert.deepEqual(Session.lanes.map(({ wins, endedAt }) => [wins, endedAt]), [[false, START + 120_000], [false, START + 120_000]]);
});

test('a session upstream is a lane of its own, and its expiry a limit of the session', () => {
  const look = told({
    upstream: [{ connection: 'northwind', issuer: 'https://id.northwind.example/', began_at: iso(0), idp_expires_at: iso(200), ended_at: null }],
    limits: [...told().graph.limits, { name: 'upstream_expiry', seconds: null, at: iso(200), source: 'upstream session', ends: 'by itself' }],
    ends_first: { at: iso(200), reason: 'upstream_expired', rule: 'upstream_session_expiry' },
  });
  const { 'Upstream session': above, Session } = of(look);
  assert.deepEqual(above.lanes.map(({ name, detail, bar }) => [name, detail, bar.to]), [['northwind', 'at id.northwind.example', START + 200_000]]);
  assert.deepEqual(Session.lanes.map(({ name, wins }) => [name, wins]), [['Idle timeout', false], ['Absolute lifetime', false], ['Upstream expiry', true]]);
  assert.match(of(told())['Upstream session'].state, /^none/);
});

const family = (generation, last, end = null) => ({
  id: `f${generation}`, generation, kind: 'offline', last_exchanged_at: iso(last), end,
  limits: [limit('idle_token_lifetime', null, last + 1200, 'by itself', 'client'), limit('token_lifetime', null, 3600, 'by itself', 'client')],
});
const application = (more) => ({ client_id: 'shop', name: 'Shop', first_seen_at: iso(0), last_seen_at: iso(0), refresh_tokens: [], delivery: null, ...more });

test('this site knows its own tokens; of others the server knows the refresh tokens', () => {
  const both = { applications: [application({}), application({ client_id: 'forum', name: 'Forum', refresh_tokens: [family(1, 30)] })] };
  const found = of(told(both), { sid: 's', access: { issuedAt: START, expiresAt: START + 150_000 }, id: undefined });
  assert.deepEqual(found['Application session: Shop'].lanes.map(({ name, bar, note }) => [name, bar?.to, note]), [['Access token', START + 150_000, undefined], ['ID token', undefined, 'none held here']]);
  assert.deepEqual(found['Application session: Forum'].lanes.map(({ name, bar }) => [name, bar.to]), [['Refresh tokens, offline', START + 1_230_000]]);
});

test('an ended family stands above the one that lives, with the reason', () => {
  const reused = { at: iso(50), reason: 'reuse_detected', rule: 'reuse' };
  const look = told({ applications: [application({ client_id: 'forum', name: 'Forum', refresh_tokens: [family(1, 60), family(3, 40, reused)] })] });
  assert.deepEqual(
    of(look)['Application session: Forum'].lanes.map(({ detail, endedAt }) => [detail, endedAt]),
    [['generation 3: a refresh token was used twice', START + 50_000], ['generation 1', undefined]],
  );
});

test('how far an application was told of the end', () => {
  const delivery = (state, attempts) => ({ state, attempts, last_at: null, next_at: null, last_error: null });
  for (const [given, said] of [
    [null, 'this site'],
    [delivery('pending', 0), 'this site; is being told of the end (0 attempts)'],
    [delivery('delivered', 1), 'this site; told of the end: delivered (1 attempt)'],
    [delivery('dead', 19), 'this site; told of the end: dead (19 attempts)'],
  ]) {
    assert.equal(of(told({ applications: [application({ delivery: given })] }))['Application session: Shop'].state, said);
  }
});

test('each zoom shows now, and its deadline ahead of it', () => {
  const [now, minute] = [START, 60_000];
  for (const [zoom, deadlines, ahead] of [
    ['nearest', [now + 5 * minute, now + 60 * minute], 7.5],
    ['nearest', [now + 1_000], 1],
    ['all', [now + 5 * minute, now + 60 * minute], 66],
    ['hour', [], 60],
    ['day', [now - minute], 1440],
  ]) {
    const window = windowOf(zoom, { now, since: now - minute, deadlines });
    assert.equal(Math.round(window.to - now), Math.round(ahead * minute), zoom);
    assert.equal(Math.round(place(window, now)), 25, zoom);
  }
  // Nothing lies ahead: then what was.
  const past = windowOf('nearest', { now, since: now - 10 * minute, deadlines: [now - minute] });
  assert.ok(past.from < now - 10 * minute && past.to > now);
});

test('labels are round instants, and few', () => {
  for (const minutes of [1, 7, 30, 60, 600, 1440, 100 * 1440, 500 * 1440]) {
    const window = { from: START + 1, to: START + minutes * 60_000 };
    const grid = gridOf(window, 6);
    assert.ok(grid.length >= 1 && grid.length <= 7, `${minutes} min: ${grid.length}`);
    assert.ok(grid.every((at) => at >= window.from && at < window.to && at % 10_000 === 0), `${minutes} min`);
  }
});

test('spans in words', () => {
  for (const [seconds, words] of [[0, '0 s'], [-5, '0 s'], [4.2, '5 s'], [60, '1 min'], [299, '4 min 59 s'], [3600, '1 h'], [7_500, '2 h 5 min'], [86_400, '1 day'], [8_636_400, '99 days 23 h']])
    assert.equal(span(seconds * 1000), words);
});
