// How a page proves its session, and what each answer means. The network is a function here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Wire } from '../.build/monitor/wire.js';

const ISSUER = new URL('https://login.example.com/');
const status = { active: false, sid: 'one', now: 1, reason: 'idle', rule: 'stored_idle', ended_at: 1 };
const ok = () => Response.json(status);
const code = (number, headers) => () => new Response('', { status: number, headers });
const hidden = () => Promise.reject(new TypeError('Failed to fetch'));

/** A wire whose requests get the answers in turn; `sent` tells what was asked with what. */
function wireOf(answers, getToken) {
  const sent = [];
  const send = async (url, { method = 'GET', credentials }, token) => {
    sent.push(`${method} ${url.pathname} ${token ?? credentials}`);
    return answers.shift()();
  };
  return { wire: new Wire(ISSUER, getToken, async () => send), sent };
}

const asked = async (answers, getToken) => {
  const { wire, sent } = wireOf(answers, getToken);
  const outcome = await wire.ask();
  return { outcome: outcome.why ?? outcome.status, sent };
};

test('a token speaks, and no cookie is sent along', async () => {
  const { outcome, sent } = await asked([ok], async () => 'token');
  assert.deepEqual(outcome, status);
  assert.deepEqual(sent, ['GET /session/status token']);
});

for (const [name, getToken] of [['no function', undefined], ['no token', async () => undefined], ['a function that fails', () => Promise.reject(new Error('login_required'))]]) {
  test(`with ${name} the cookie speaks`, async () => {
    const { outcome, sent } = await asked([ok], getToken);
    assert.deepEqual(outcome, status);
    assert.deepEqual(sent, ['GET /session/status include']);
  });
}

test('a token that is worth nothing gives way to the cookie', async () => {
  const { outcome, sent } = await asked([code(401), ok], async () => 'token');
  assert.deepEqual(outcome, status);
  assert.deepEqual(sent, ['GET /session/status token', 'GET /session/status include']);
});

test('a token that the application forgot is still proof', async () => {
  const tokens = ['token', undefined];
  const { wire, sent } = wireOf([ok, ok], async () => tokens.shift());
  await wire.ask();
  await wire.ask();
  assert.deepEqual(sent, ['GET /session/status token', 'GET /session/status token']);
});

test('nothing proves a session: unknown; but a cookie that did before is gone', async () => {
  assert.equal((await asked([code(401)])).outcome, 'unknown');
  const { wire } = wireOf([ok, code(401), code(401)]);
  await wire.ask();
  assert.deepEqual([(await wire.ask()).why, (await wire.ask()).why], ['gone', 'unknown']);
});

test('the refusal of a cookie from another site is hidden: it is no missing network', async () => {
  const { outcome, sent } = await asked([hidden, code(401)]);
  assert.equal(outcome, 'unknown');
  assert.deepEqual(sent, ['GET /session/status include', 'GET /session/status omit']);
  assert.equal((await asked([hidden, hidden])).outcome, 'unreachable');
  const { wire } = wireOf([ok, hidden]);
  await wire.ask();
  assert.equal((await wire.ask()).why, 'unreachable', 'where the cookie spoke before, it is the network');
});

for (const [name, answer, why, retryAfter] of [
  ['no network', hidden, 'unreachable', undefined],
  ['a server in trouble', code(503, { 'retry-after': '30' }), 'unreachable', 30],
  ['too much', code(429, { 'retry-after': '60' }), 'unreachable', 60],
  ['a date to come again at', code(503, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }), 'unreachable', 0],
  ['a page that may not', code(403), 'refused', undefined],
  ['another server', code(404), 'refused', undefined],
  ['something between that answers for it', () => new Response('<p>sign in to this network', { status: 200 }), 'unreachable', undefined],
  ['JSON that is no status', () => Response.json({ active: 'yes' }), 'unreachable', undefined],
]) {
  test(`${name} is ${why}`, async () => {
    const outcome = await wireOf([answer], async () => 'token').wire.ask();
    assert.equal(outcome.why, why);
    assert.equal(outcome.retryAfter, retryAfter);
  });
}

for (const [name, answers, sent, outcome] of [
  ['a good token', [ok], ['on'], status],
  ['an expired one is renewed', [code(401), ok], ['on', 'off'], status],
  ['else the cookie', [code(401), code(401), ok], ['on', 'off', 'include'], status],
  ['who may not, may not', [code(403)], ['on'], 'refused'],
  ['nothing helps', [code(401), code(401), code(401)], ['on', 'off', 'include'], 'unknown'],
]) {
  test(`an extension: ${name}`, async () => {
    const { wire, sent: seen } = wireOf([...answers], async ({ cacheMode }) => cacheMode);
    const said = await wire.extend();
    assert.deepEqual(said.why ?? said.status, outcome);
    assert.deepEqual(seen, sent.map((proof) => `POST /session/extend ${proof}`));
  });
}
