// Who keeps refresh tokens: they go to the server's origin and nowhere else, and never come back to the page.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { keeping } from '../.build/keeper.js';

const { keeper, memoryTokens } = keeping();
let server, origin, got, answer;
before(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    got.push({ path: request.url, params: Object.fromEntries(new URLSearchParams(body)), headers: request.headers });
    const { status = 200, type = 'application/json', text } = await answer.shift();
    response.writeHead(status, { 'content-type': type, 'dpop-nonce': 'n' });
    response.end(text);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());
beforeEach(() => {
  got = [];
  answer = [];
});

const json = (value, status = 200) => ({ status, text: JSON.stringify(value) });
const send = (body, name = 'a') => ({ do: 'send', name, url: `${origin}/oauth/token`, headers: { dpop: 'proof' }, body });

test('keeps what a code brings, sends it with a refresh, and keeps its successor', async () => {
  const keep = keeper(memoryTokens(), origin);
  answer.push(json({ access_token: 'x', refresh_token: 'first' }), json({ access_token: 'y', refresh_token: 'second' }), json({ access_token: 'z' }));
  const first = await keep(send('grant_type=authorization_code&code=c'));
  assert.equal(first.kept, true);
  assert.deepEqual(JSON.parse(first.body), { access_token: 'x' });
  await keep(send('grant_type=refresh_token&refresh_token=kept'));
  const third = await keep(send('grant_type=refresh_token&refresh_token=kept'));
  assert.deepEqual(got.map(({ params }) => params.refresh_token), [undefined, 'first', 'second']);
  assert.equal(third.kept, true, 'an answer without one leaves the old one in place');
  assert.equal(got[0].headers.dpop, 'proof');
  assert.equal(new Map(third.headers).get('dpop-nonce'), 'n');
});

test('a refresh that was on its way when the person signed out brings nothing back', async () => {
  const tokens = memoryTokens();
  const keep = keeper(tokens, origin);
  answer.push(json({ refresh_token: 'first' }), json({ access_token: 'late', refresh_token: 'second' }));
  await keep(send('grant_type=authorization_code'));
  const late = keep(send('grant_type=refresh_token'));
  await keep({ do: 'forget' });
  const { status, body, kept } = await late;
  assert.deepEqual([got.length, status, kept], [2, 400, false]);
  assert.equal(JSON.parse(body).error, 'login_required');
  assert.deepEqual(tokens.all(), []);
});

for (const [name, said] of [
  ['its successor', { refresh_token: "the first user's second" }],
  ['a refusal', { error: 'invalid_grant' }],
]) {
  test(`a refresh that was on its way when somebody else signed in changes nothing of theirs: ${name}`, async () => {
    const tokens = memoryTokens();
    tokens.set('a', "the first user's");
    const keep = keeper(tokens, origin);
    let late;
    answer.push(new Promise((resolve) => { late = resolve; }), json({ refresh_token: "the second user's" }));
    const refresh = keep(send('grant_type=refresh_token'));
    while (!got.length) await new Promise(setImmediate);
    await keep(send('grant_type=authorization_code'));
    late(json(said, said.error ? 400 : 200));
    const { body } = await refresh;
    assert.equal(JSON.parse(body).refresh_token, undefined);
    assert.equal(tokens.get('a'), "the second user's");
  });
}

test('names are kept apart; without a token nothing is sent', async () => {
  const keep = keeper(memoryTokens(), origin);
  answer.push(json({ refresh_token: 'first' }));
  await keep(send('grant_type=authorization_code', 'a'));
  const refused = await keep(send('grant_type=refresh_token', 'b'));
  assert.equal(refused.status, 400);
  assert.equal(JSON.parse(refused.body).error, 'missing_refresh_token');
  assert.equal(got.length, 1);
});

for (const [name, said, kept] of [
  ['a refused token is forgotten', json({ error: 'invalid_grant' }, 400), false],
  ['another refusal keeps it', json({ error: 'invalid_scope' }, 400), true],
  ['a server in trouble keeps it', { status: 503, type: 'text/plain', text: 'later' }, true],
]) {
  test(name, async () => {
    const tokens = memoryTokens();
    tokens.set('a', 'first');
    const keep = keeper(tokens, origin);
    answer.push(said);
    const { status, body } = await keep(send('grant_type=refresh_token'));
    assert.equal(status, said.status);
    assert.equal(body, said.text);
    assert.equal(tokens.get('a'), kept ? 'first' : undefined);
  });
}

test('another origin gets nothing', async () => {
  const tokens = memoryTokens();
  tokens.set('a', 'secret');
  const keep = keeper(tokens, 'https://login.example.com');
  await assert.rejects(keep(send('grant_type=refresh_token')), /is not at https:\/\/login\.example\.com/);
  await assert.rejects(keep({ do: 'revoke', url: `${origin}/oauth/revoke`, clientId: 'shop' }));
  assert.deepEqual(got, []);
});

test('revoking sends each token, and forgets those that the server confirmed', async () => {
  const tokens = memoryTokens();
  tokens.set('a', 'one');
  tokens.set('b', 'two');
  const keep = keeper(tokens, origin);
  answer.push({ text: '' }, { status: 503, text: '' });
  await assert.rejects(keep({ do: 'revoke', url: `${origin}/oauth/revoke`, clientId: 'shop' }), /503/);
  assert.deepEqual(got.map(({ path, params }) => [path, params]), [
    ['/oauth/revoke', { client_id: 'shop', token: 'one', token_type_hint: 'refresh_token' }],
    ['/oauth/revoke', { client_id: 'shop', token: 'two', token_type_hint: 'refresh_token' }],
  ]);
  assert.deepEqual(tokens.all(), [['b', 'two']]);
});
