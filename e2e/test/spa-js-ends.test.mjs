// When a session ends by time, as Auth0's SPA SDK sees it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch, site } from '../lib/sites.mjs';
import { ada, client, Visitor } from '../lib/visit.mjs';

let shop, forum, browser;
before(async () => {
  [shop, forum] = [await site(), await site()];
  browser = await launch();
});
after(async () => {
  await browser?.close();
  shop?.close();
  forum?.close();
});

// Each with a server of its own, whose clock it moves. `forum` is told nothing of the session's end.
async function withServer(minutes, go) {
  const [idle, absolute] = minutes;
  const server = await Server.start(`
tenant: {idle_session_lifetime_in_minutes: ${idle}, session_lifetime_in_minutes: ${absolute}}
clients:${client('shop', shop)}${client('forum', forum, 'session_expiry: off')}
${ada}
`);
  try {
    await go(server, (options = {}, context) => Visitor.at(shop, server, browser, { id: 'shop', options, context }),
      (context) => Visitor.at(forum, server, browser, { id: 'forum', context }));
  } finally {
    await server.stop();
  }
}

test('F1: session_expiry ends the page by itself, half a minute early', () => withServer([1, 2], async (server, visit) => {
  const visitor = await visit();
  await visitor.signIn();
  const { iat, session_expiry: ceiling } = await visitor.claims();
  assert.ok(ceiling - iat <= 120 && ceiling - iat >= 115, `two minutes after the login: ${ceiling - iat}`);
  await visitor.page.clock.setFixedTime((ceiling - 31) * 1_000);
  assert.equal(await visitor.isAuthenticated(), true);
  await visitor.page.clock.setFixedTime((ceiling - 30) * 1_000);
  // `undefined` and no error; whoever asks again after that asks the server, whose clock says otherwise.
  assert.deepEqual(await visitor.silently(), { token: undefined });
  assert.equal(await visitor.isAuthenticated(), false);
  await visitor.leaveForGood();
}));

test('F3, F6: the session goes idle on the server; a refresh token does not keep it alive', () => withServer([60, 480], async (server, visit, visitForum) => {
  const visitor = await visit({ useRefreshTokens: true, cacheLocation: 'localstorage' });
  await visitor.signIn();
  const other = await visitForum(visitor.context);
  await server.advance(3_000);
  await visitor.renews();
  await server.advance(700);
  assert.equal((await other.silently()).error, 'login_required');
  await visitor.renews();
  await visitor.leaveForGood();
}));

test('F4: polling silently does not outlive the absolute deadline', () => withServer([60, 120], async (server, visit, visitForum) => {
  const visitor = await visitForum();
  await visitor.signIn();
  for (const seconds of [3_000, 3_000]) {
    await server.advance(seconds);
    await visitor.renews();
  }
  await server.advance(1_200);
  assert.equal((await visitor.silently()).error, 'login_required');
  assert.equal(await visitor.isAuthenticated(), false);
  await visitor.leaveForGood();
}));

test('F5: a reduced setting bites at the next activity, a longer one waits for the next login', () => withServer([60, 480], async (server, visit, visitForum) => {
  const [patient, impatient] = [await visitForum(), await visitForum()];
  await patient.signIn();
  server.apply('tenant: {idle_session_lifetime_in_minutes: 240, session_lifetime_in_minutes: 480}');
  await server.advance(3_500);
  await patient.renews();
  await server.advance(3_700);
  assert.equal((await patient.silently()).error, 'login_required', 'it kept what it was born with');
  await impatient.signIn();
  server.apply('tenant: {idle_session_lifetime_in_minutes: 10, session_lifetime_in_minutes: 480}');
  await server.advance(700);
  assert.equal((await impatient.silently()).error, 'login_required', 'ten minutes from now on');
  await patient.leaveForGood();
  await impatient.leaveForGood();
}));
