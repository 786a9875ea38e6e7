// Tokens by audience and scope.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore, TokenCache } from '../.build/cache.js';

const NOW = 1_767_225_600_000;
let made = 0;

function tokens({ audience = 'api', scope = ['openid', 'read'], sub = 'ada', from = NOW, lasts = 600_000 } = {}) {
  made += 1;
  return { audience, scope, accessToken: `token ${made}`, idToken: 'id', claims: { sub }, obtainedAt: from, expiresAt: from + lasts };
}

function cacheOf(...all) {
  const cache = new TokenCache(memoryStore());
  for (const one of all) cache.add(one);
  return cache;
}

const found = (cache, { audience = 'api', scope = ['openid'], at = NOW, since } = {}) => cache.find(audience, scope, at, since)?.accessToken;

for (const [name, wish, is] of [
  ['the same audience and scope', { scope: ['openid', 'read'] }, true],
  ['fewer scopes', { scope: ['openid'] }, true],
  ['the scopes in another order', { scope: ['read', 'openid'] }, true],
  ['a scope that it lacks', { scope: ['openid', 'write'] }, false],
  ['another audience', { audience: 'other' }, false],
  ['no audience', { audience: '' }, false],
  ['its last moment', { at: NOW + 569_999 }, true],
  ['too close to its end', { at: NOW + 570_000 }, false],
  ['after its end', { at: NOW + 700_000 }, false],
  ['a clock that was set back', { at: NOW - 60_000 }, false],
  ['tokens that came later', { since: NOW + 1 }, false],
  ['tokens since then', { since: NOW }, true],
]) {
  test(`for ${name}: ${is ? 'found' : 'not found'}`, () => {
    const one = tokens();
    assert.equal(found(cacheOf(one), wish), is ? one.accessToken : undefined);
  });
}

test('the margin before the end is a tenth of a short life', () => {
  const one = tokens({ lasts: 60_000 });
  assert.equal(found(cacheOf(one), { at: NOW + 53_000 }), one.accessToken);
  assert.equal(found(cacheOf(one), { at: NOW + 54_000 }), undefined);
});

test('what expired is dropped, not only hidden', () => {
  const store = memoryStore();
  const cache = new TokenCache(store);
  cache.add(tokens());
  cache.find('api', ['openid'], NOW + 700_000);
  assert.deepEqual(store.read(), []);
});

test('new tokens replace those that they cover, and only those', () => {
  const [narrow, wide, other] = [tokens({ scope: ['openid'] }), tokens({ scope: ['openid', 'read', 'write'] }), tokens({ audience: 'other' })];
  const store = memoryStore();
  const cache = new TokenCache(store);
  for (const one of [narrow, other, wide]) cache.add(one);
  assert.deepEqual(new Set(store.read()), new Set([wide, other]));
  const again = tokens({ scope: ['openid'] });
  cache.add(again);
  assert.deepEqual(new Set(store.read()), new Set([again, wide, other]));
});

test('nothing of another user stays', () => {
  const [ada, bob] = [tokens(), tokens({ sub: 'bob', audience: 'other' })];
  const cache = cacheOf(ada, bob);
  assert.equal(found(cache), undefined);
  assert.equal(found(cache, { audience: 'other', scope: [] }), bob.accessToken);
});
