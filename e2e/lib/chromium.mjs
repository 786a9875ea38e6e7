// Chromium, driven by hand over its own protocol. Playwright makes every page believe that it is in front, and keeps
// timers of hidden pages running; here a tab that is behind another one is hidden, throttled, and may be frozen.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start } from './children.mjs';

const PATIENCE = 15_000;

export class Chromium {
  #last = 0;
  #answers = new Map();
  #tabs = new Map();

  static async start() {
    const browser = new Chromium();
    browser.profile = mkdtempSync(join(tmpdir(), 'tenure-chromium-'));
    const args = [
      '--headless', '--remote-debugging-pipe', `--user-data-dir=${browser.profile}`, '--no-sandbox', '--disable-gpu', '--disable-quic',
      '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', 'about:blank',
    ];
    // A group of its own, with all that it starts: so that it can be suspended as a whole.
    browser.process = start(process.env.CHROMIUM ?? '/usr/bin/chromium', args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true });
    let text = '';
    browser.process.stdio[4].on('data', (data) => {
      const messages = (text + data).split('\0');
      text = messages.pop();
      for (const message of messages) browser.#hear(JSON.parse(message));
    });
    await browser.send('Browser.getVersion');
    return browser;
  }

  #hear({ id, result, error, method, params, sessionId }) {
    if (id === undefined) return this.#tabs.get(sessionId)?.hear(method, params);
    const { resolve, reject } = this.#answers.get(id);
    this.#answers.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  }

  send(method, params = {}, sessionId) {
    return new Promise((resolve, reject) => {
      this.#last += 1;
      this.#answers.set(this.#last, { resolve, reject });
      this.process.stdio[3].write(`${JSON.stringify({ id: this.#last, method, params, sessionId })}\0`);
    });
  }

  // A tab in front of all others. `first` is run in each of its pages before anything else.
  async open(url, first = () => undefined) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const tab = new Tab(this, targetId, sessionId);
    this.#tabs.set(sessionId, tab);
    for (const domain of ['Network', 'Page', 'Runtime']) await tab.send(`${domain}.enable`);
    await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: `(${first})()` });
    await tab.send('Page.navigate', { url });
    return tab;
  }

  // As a machine that sleeps: no process of the browser runs until `wake`.
  suspend() {
    process.kill(-this.process.pid, 'SIGSTOP');
  }

  wake() {
    process.kill(-this.process.pid, 'SIGCONT');
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.wake();
    void this.send('Browser.close').catch(() => undefined);
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

class Tab {
  #browser;
  #session;
  requests = [];
  problems = [];

  constructor(browser, targetId, session) {
    this.#browser = browser;
    this.#session = session;
    this.targetId = targetId;
  }

  send(method, params) {
    return this.#browser.send(method, params, this.#session);
  }

  hear(method, params) {
    if (method === 'Network.requestWillBeSent') {
      const { method: verb, url } = params.request;
      this.requests.push(`${verb} ${new URL(url).pathname}`);
    }
    if (method === 'Runtime.exceptionThrown') this.problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
  }

  async evaluate(script, argument) {
    const expression = `(${script})(${JSON.stringify(argument)})`;
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  // Until the script says yes; a page that is just being left says nothing.
  async until(script, argument) {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const value = await this.evaluate(script, argument).catch(() => undefined);
      if (value) return value;
      if (Date.now() > end) assert.fail(`${script} ${JSON.stringify(argument)}: ${await this.evaluate(() => document.body.innerText)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  front() {
    return this.#browser.send('Target.activateTarget', { targetId: this.targetId });
  }

  // Only a hidden page can be frozen.
  async freeze() {
    await this.until(() => document.visibilityState === 'hidden');
    await this.send('Page.setWebLifecycleState', { state: 'frozen' });
  }

  thaw() {
    return this.send('Page.setWebLifecycleState', { state: 'active' });
  }

  movePointer(x, y) {
    return this.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
  }
}
