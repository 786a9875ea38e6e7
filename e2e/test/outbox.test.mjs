// kill -9 while relying parties are being told: every one is told in the end, at least once.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Person, Server } from '../lib/server.mjs';

const rounds = process.env.TENURE_FULL ? 50 : 5;
const parties = 20;
const callback = (i) => `http://localhost:3000/${i}`;
const challenge = 'I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY';

// Says yes late, so that there is always something under way.
const told = new Map();
const receiver = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => setTimeout(() => {
    const token = new URLSearchParams(body).get('logout_token');
    const { sid, aud, jti } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
    const key = `${sid} ${aud}`;
    told.set(key, [...(told.get(key) ?? []), jti]);
    response.writeHead(204).end();
  }, 10 + Math.random() * 60));
});

let server;
before(async () => {
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address();
  const clients = Array.from({ length: parties }, (_, i) =>
    `  - {client_id: rp-${i}, name: RP ${i}, client_secret: secret, callbacks: ["${callback(i)}"], oidc_logout: {backchannel_logout_urls: ["http://localhost:${port}/"]}}`);
  server = await Server.start(`clients:\n${clients.join('\n')}\nusers:\n  - {email: ada@example.com, password: correct horse}\n`);
});
after(async () => {
  receiver.close();
  receiver.closeAllConnections();
  await server.stop();
});

const authorizeUrl = (i) =>
  `/authorize?${new URLSearchParams({ client_id: `rp-${i}`, redirect_uri: callback(i), response_type: 'code', scope: 'openid', state: 's', code_challenge: challenge, code_challenge_method: 'S256' })}`;

for (let round = 1; round <= rounds; round += 1) {
  test(`nothing is lost, round ${round} of ${rounds}`, async () => {
    const person = new Person(server);
    for (let i = 0; i < parties; i += 1) await person.authorize(authorizeUrl(i));
    const [sid] = person.cookies.get(`tenure_${server.port}`).split('.');
    // The person is not answered before the server dies, or is; both are fine.
    const leaving = person.request('/v2/logout').catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 15 + Math.random() * 60));
    await server.kill('SIGKILL');
    await leaving;
    await server.run();
    const rows = () => JSON.parse(server.command('session', 'deliveries', sid, '--json'));
    if (rows().length === 0) {
      // It died before the end was stored: nobody was told, and the person signs out again.
      assert.ok(![...told.keys()].some((key) => key.startsWith(sid)), 'nobody hears of an end that is not stored');
      await person.request('/v2/logout');
    }
    assert.equal(rows().length, parties);
    // What the dead process had claimed comes due again when its claim runs out.
    await server.advance(121);
    for (let tries = 0; rows().some(({ state }) => state === 'pending'); tries += 1) {
      assert.ok(tries < 200, JSON.stringify(rows()));
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    for (const { client_id: client, state } of rows()) {
      assert.equal(state, 'delivered');
      const ids = told.get(`${sid} ${client}`);
      assert.ok(ids.length >= 1, client);
      assert.equal(new Set(ids).size, ids.length, 'each attempt has a token of its own');
    }
  });
}
