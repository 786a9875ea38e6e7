// Two tabs of one site, and two more sites, one of them a site of its own for the browser: nobody is signed out in one
// who is active in another.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { launch } from '../lib/sites.mjs';
import { ada, client, sdkSite, withoutThirdPartyCookies } from '../lib/tenure-sdk.mjs';
import { Walk } from '../lib/walk.mjs';

let server, shop, forum, foreign, browser;
before(async () => {
  [shop, forum, foreign] = [await sdkSite(), await sdkSite(), await sdkSite({ host: '127.0.0.1' })];
  server = await Server.start(`
tenant: {profile: short-lived, session_lifetime_in_minutes: 60}
clients:${client('shop', shop)}${client('forum', forum)}${client('foreign', foreign)}
${ada}`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  for (const site of [shop, forum, foreign]) site?.close();
});

async function walk(context, seed) {
  // Two of the sites hear of nothing that they do not ask for.
  const monitor = { events: false };
  const places = [
    { place: shop, id: 'shop' }, { place: shop, id: 'shop' }, { place: forum, id: 'forum', options: { monitor } },
    { place: foreign, id: 'foreign', options: { useRefreshTokens: true, monitor } },
  ];
  const walked = await Walk.start({ server, context, places, seed });
  for (let steps = 0; steps < 40; steps += 1) await walked.step();
  assert.equal(walked.logouts, 0, 'no page signs anybody out by itself');
  for (const { problems } of walked.tabs) assert.deepEqual(problems, []);
  assert.ok(walked.counts.ends > 0 && walked.counts.extensions > 0, JSON.stringify(walked.counts));
}

for (const seed of [7, 2026]) {
  test(`no tab logs a person out who is active in another: walk ${seed}`, { timeout: 60_000 }, async () => {
    const context = await browser.newContext();
    await walk(context, seed);
    await context.close();
  });
}

test('no tab logs a person out who is active in another: third-party cookies blocked', { timeout: 60_000 }, () =>
  withoutThirdPartyCookies((context) => walk(context, 11)));
