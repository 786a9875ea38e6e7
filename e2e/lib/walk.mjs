// A random walk through what people and machines do: tabs of three sites, used, left, asleep, offline. The same seed
// walks the same way. After each step the server is asked what is true.
import assert from 'node:assert/strict';
import { Visitor } from './tenure-sdk.mjs';

// A small generator of numbers (Lehmer's), since the language's own cannot be given a seed.
export function dice(seed) {
  let state = seed;
  return (sides) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % sides;
  };
}

export class Walk {
  static async start({ server, context, places, seed }) {
    const walk = new Walk();
    Object.assign(walk, { server, context, roll: dice(seed), online: true, steps: [], logouts: 0, counts: { ends: 0, extensions: 0 } });
    await context.clock.install();
    walk.tabs = [];
    for (const { place, id, options } of places) walk.tabs.push(await Visitor.come(undefined, server, place, id, options, context));
    context.on('request', (request) => {
      if (request.url().includes('logout')) walk.logouts += 1;
    });
    await walk.signIn();
    return walk;
  }

  pick(list) {
    return list[this.roll(list.length)];
  }

  // Signs in in one tab; in the others it is enough to ask.
  async signIn() {
    const first = this.pick(this.tabs);
    await first.signIn();
    this.proof = await first.value(() => window.client.getTokenSilently());
    this.sid = (await this.truth()).sid;
    for (const tab of this.tabs) {
      if (tab !== first) await this.join(tab);
      await tab.status('active');
    }
  }

  // As `RequireAuth` does it: quietly, and by way of the login page where a browser keeps cookies from frames.
  async join(tab) {
    if (await tab.value(() => window.client.checkSession())) {
      // What an offline refresh token renewed may hang on a session that is over.
      if ((await tab.value(() => window.client.getIdTokenClaims())).sid === this.sid) return;
    }
    await tab.page.evaluate(() => void window.client.loginWithRedirect());
    await tab.page.waitForURL((url) => url.origin === tab.place.origin && url.searchParams.has('code'));
    await tab.ready();
    await tab.value(() => window.client.handleRedirectCallback());
  }

  // By an access token, which may have expired: asking is no activity.
  async truth() {
    const answer = await fetch(`${this.server.base}/session/status`, { headers: { authorization: `Bearer ${this.proof}` } });
    assert.equal(answer.status, 200);
    return answer.json();
  }

  // One step, then the comparison with what the server says.
  async step() {
    const deed = this.pick(['use', 'use', 'use', 'wait', 'wait', 'sleep', 'stay', 'token', 'look', this.online ? 'unplug' : 'plug', 'plug', 'hurry']);
    const tab = this.pick(this.tabs);
    this.steps.push(`${deed} ${tab.clientId}`);
    await this[deed](tab);
    await this.compare();
  }

  async use({ page }) {
    await page.bringToFront();
    await page.mouse.move(10 + this.roll(100), 10 + this.roll(100));
    await page.mouse.move(10, 200);
  }

  async wait() {
    const seconds = 10 + this.roll(120);
    await this.server.advance(seconds);
    await this.context.clock.fastForward(seconds * 1000);
  }

  // The machine sleeps: no timer runs, and the clock that only counts stands still.
  async sleep() {
    const seconds = 60 + this.roll(500);
    await this.server.advance(seconds);
    const now = await this.tabs[0].page.evaluate(() => Date.now());
    await this.context.clock.setSystemTime(now + seconds * 1000);
  }

  async stay(tab) {
    await tab.run(() => window.client.monitor.extend());
  }

  async token(tab) {
    await tab.run(() => window.client.getTokenSilently({ cacheMode: 'off' }));
  }

  async look({ page }) {
    await page.bringToFront();
    await page.evaluate(() => void window.dispatchEvent(new Event('focus')));
  }

  async unplug() {
    this.online = false;
    await this.context.setOffline(true);
  }

  async plug() {
    this.online = true;
    await this.context.setOffline(false);
  }

  // Just before the end somebody is still active in one tab.
  async hurry(tab) {
    const { active, now, extend_before: end } = await this.truth();
    if (!active || end - now < 20) return;
    const seconds = end - now - 10;
    await this.server.advance(seconds);
    await this.context.clock.fastForward(seconds * 1000);
    await tab.run(() => window.client.monitor.extend());
  }

  async compare() {
    const told = await Promise.all(this.tabs.map((tab) => tab.page.evaluate(() => ({ heard: window.heard, state: window.client.monitor.state }))));
    const after = await this.truth();
    // It was alive when they were asked, since it is alive now.
    if (after.active) for (const { heard, state } of told) this.#alive(heard, state);
    // Nobody is made to ask while it lives: what a page believes may be old.
    if (after.active || !this.online) return;
    await Promise.all(this.tabs.map((tab) => tab.value(() => window.client.monitor.checkNow())));
    this.counts.ends += 1;
    for (const tab of this.tabs) {
      const { status, reason } = await tab.page.evaluate(() => window.client.monitor.state);
      assert.deepEqual([status, reason], ['ended', after.reason], this.where(tab));
      this.counts.extensions += await tab.page.evaluate(() => window.heard.filter(({ name }) => name === 'extended').length);
    }
    // Each tells it once.
    for (const tab of this.tabs) {
      assert.equal(await tab.page.evaluate(() => window.heard.filter(({ name }) => name === 'ended').length), 1, this.where(tab));
      await tab.page.evaluate(() => { window.heard.length = 0; });
    }
    await this.signIn();
  }

  #alive(heard, state) {
    assert.ok(!heard.some(({ name }) => name === 'ended'), `told of an end that was none: ${this.where()}`);
    assert.notEqual(state.status, 'ended', this.where());
  }

  where(tab) {
    return `${tab?.clientId ?? ''} after: ${this.steps.join(', ')}`;
  }
}
