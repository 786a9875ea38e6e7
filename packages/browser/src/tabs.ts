/** The tabs of one application: what they tell each other, and what only one of them does at a time. */

interface Envelope {
  kind: 'tell' | 'ask' | 'reply';
  body: unknown;
  id?: string | undefined;
  to?: string | undefined;
  from: string;
}

export class Tabs<Message> {
  readonly me = crypto.randomUUID();
  readonly #name: string;
  readonly #channel: BroadcastChannel | undefined;
  readonly #waiting = new Map<string, (answer: unknown, from: string) => void>();
  readonly #gone = new AbortController();

  constructor(name: string, heard: (message: Message, from: string) => void, asked: (question: Message) => unknown = () => undefined) {
    this.#name = name;
    // Where a page is rendered on a server there are no tabs.
    if (!globalThis.document || !globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Envelope>) => {
      if (data.to !== undefined && data.to !== this.me) return;
      if (data.kind === 'tell') heard(data.body as Message, data.from);
      else if (data.kind === 'reply') this.#waiting.get(data.id ?? '')?.(data.body, data.from);
      else void this.#answer(data, asked);
    };
    const { signal } = this.#gone;
    // Held for as long as the tab lives: counting the holders tells how many tabs there are.
    void navigator.locks
      ?.request(`${name}:tab`, { mode: 'shared', signal }, () => new Promise<void>((end) => signal.addEventListener('abort', () => end())))
      .catch(() => undefined);
  }

  async #answer({ id, from, body }: Envelope, asked: (question: Message) => unknown) {
    const answer = await Promise.resolve(asked(body as Message)).catch(() => undefined);
    this.#post({ kind: 'reply', id, to: from, body: answer });
  }

  #post(envelope: Omit<Envelope, 'from'>) {
    if (!this.#gone.signal.aborted) this.#channel?.postMessage({ ...envelope, from: this.me });
  }

  tell(message: Message): void {
    this.#post({ kind: 'tell', body: message });
  }

  /** How many other tabs there are. */
  async others(): Promise<number> {
    if (!this.#channel || !navigator.locks) return 0;
    const { held = [] } = await navigator.locks.query();
    return held.filter((lock) => lock.name === `${this.#name}:tab`).length - 1;
  }

  /**
   * Asks the other tabs, or one of them. Ends with the first reply that `wanted` accepts, when all have replied, or
   * after `milliseconds`, since a frozen tab never replies.
   */
  async ask<Answer>(question: Message, milliseconds: number, wanted: (answer: Answer, from: string) => boolean, to?: string): Promise<Answer | undefined> {
    let missing = to === undefined ? await this.others() : 1;
    if (missing < 1) return undefined;
    const id = crypto.randomUUID();
    try {
      return await new Promise((resolve) => {
        setTimeout(() => resolve(undefined), milliseconds);
        this.#waiting.set(id, (answer, from) => {
          missing -= 1;
          if (wanted(answer as Answer, from)) resolve(answer as Answer);
          else if (missing < 1) resolve(undefined);
        });
        this.#post({ kind: 'ask', id, body: question, to });
      });
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Runs `task` while no other tab runs one under this name. */
  async alone<Result>(name: string, task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    if (!navigator.locks) return task();
    return navigator.locks.request(`${this.#name}:${name}`, { signal } as LockOptions, task) as Promise<Result>;
  }

  close(): void {
    this.#gone.abort();
    this.#channel?.close();
  }
}
