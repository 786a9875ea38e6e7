/** The three requests about a session: its status, its extension, its stream. */
import type { Send } from '../send.ts';
import { isStatus, type WireStatus } from './facts.ts';
import type { Failure } from './step.ts';
import type { MonitorSessionOptions } from './types.ts';

export type Outcome = { status: WireStatus; took: number } | { why: Failure; retryAfter?: number };
export type Opened = { response: Response } | { why: Failure; retryAfter?: number };

const SECONDS_TO_ANSWER = 10;
const JSON_BODY = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };

export class Wire {
  readonly #issuer: URL;
  readonly #getToken: MonitorSessionOptions['getToken'];
  readonly #sender: () => Promise<Send>;
  /** The last token seen. It proves the session after it expired, and after the application forgot it. */
  #proof: string | undefined;
  #byCookie = false;

  constructor(issuer: URL, getToken: MonitorSessionOptions['getToken'], sender: () => Promise<Send>) {
    this.#issuer = issuer;
    this.#getToken = getToken;
    this.#sender = sender;
  }

  ask(): Promise<Outcome> {
    return timed(async (signal) => this.#read('session/status', { signal }));
  }

  /** An activity. The person is here, so a token may be renewed for it. */
  extend(): Promise<Outcome> {
    return timed(async (signal) => {
      let answer = await this.#extendWith('on', signal);
      if (answer?.status === 401) answer = await this.#extendWith('off', signal);
      if (!answer || answer.status === 401) answer = await this.#send('session/extend', { ...JSON_BODY, signal });
      return judge(answer, false);
    });
  }

  open(signal: AbortSignal, lastEventId: string | undefined): Promise<Opened> {
    const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    return guarded(() => this.#read('session/events', { signal, headers }));
  }

  async #extendWith(cacheMode: 'on' | 'off', signal: AbortSignal): Promise<Response | undefined> {
    const token = await this.#getToken?.({ cacheMode }).catch(() => undefined);
    return token === undefined ? undefined : this.#send('session/extend', { ...JSON_BODY, signal }, token);
  }

  /** By the token that is there, fresh or not, else by the cookie. Nothing is renewed for it. */
  async #read(path: string, init: RequestInit): Promise<Opened> {
    this.#proof = (await this.#getToken?.({ cacheMode: 'cache-only' }).catch(() => undefined)) ?? this.#proof;
    if (this.#proof !== undefined) {
      const response = await this.#send(path, init, this.#proof);
      this.#byCookie = false;
      if (response.status !== 401) return judge(response, false);
      // Revoked, or of a session that is forgotten.
      this.#proof = undefined;
    }
    const response = await this.#send(path, init).catch((error: unknown) => {
      if (this.#byCookie) throw error;
      // A cookie from another site is refused, and the browser hides the refusal. Without it the answer can be read.
      return this.#send(path, { ...init, credentials: 'omit' });
    });
    const judged = judge(response, this.#byCookie);
    this.#byCookie = response.ok;
    return judged;
  }

  async #send(path: string, init: RequestInit, token?: string): Promise<Response> {
    const credentials = token === undefined ? 'include' : 'omit';
    const send = await this.#sender();
    return send(new URL(path, this.#issuer), { credentials, ...init, cache: 'no-store' }, token);
  }
}

function judge(response: Response, byCookie: boolean): Opened {
  const { status } = response;
  if (response.ok) return { response };
  if (status === 401) return { why: byCookie ? 'gone' : 'unknown' };
  if (status === 429 || status >= 500) {
    return { why: 'unreachable', retryAfter: Number(response.headers.get('retry-after')) || 0 };
  }
  return { why: 'refused' };
}

async function guarded(run: () => Promise<Opened>): Promise<Opened> {
  try {
    return await run();
  } catch {
    return { why: 'unreachable' };
  }
}

async function timed(run: (signal: AbortSignal) => Promise<Opened>): Promise<Outcome> {
  const began = performance.now();
  const opened = await guarded(() => run(AbortSignal.timeout(SECONDS_TO_ANSWER * 1000)));
  if ('why' in opened) return opened;
  const status: unknown = await opened.response.json().catch(() => undefined);
  return isStatus(status) ? { status, took: performance.now() - began } : { why: 'unreachable' };
}
