import type { Transaction } from './protocol.ts';

/** What a login with redirect leaves in the tab, until its answer comes and for a while after. */
export interface Pending extends Transaction {
  appState?: unknown;
  begunAt: number;
  /** The code whose exchange has begun: it must never be sent twice, since that ends what came of the first time. */
  code?: string;
}

/** Longer ago than this, nobody comes back any more. */
const KEPT = 3_600_000;

/** In session storage: a tab's own, and still there after a reload, or when the person goes back. */
export class Transactions {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  put(pending: Pending): void {
    this.#sweep(pending.begunAt);
    sessionStorage.setItem(this.#prefix + pending.state, JSON.stringify(pending));
  }

  get(state: string): Pending | undefined {
    try {
      return (JSON.parse(sessionStorage.getItem(this.#prefix + state) ?? 'null') as Pending | null) ?? undefined;
    } catch {
      return undefined;
    }
  }

  #sweep(now: number): void {
    for (const key of Object.keys(sessionStorage)) {
      if (!key.startsWith(this.#prefix)) continue;
      const begunAt = this.get(key.slice(this.#prefix.length))?.begunAt ?? 0;
      if (Math.abs(now - begunAt) > KEPT) sessionStorage.removeItem(key);
    }
  }
}
