import type { IdTokenClaims } from './types.ts';

/** An access token and the ID token that came with it. Instants are milliseconds of this browser's clock. */
export interface Tokens {
  audience: string;
  /** What was asked for, and what was granted: asking again for what was not granted would not help. */
  scope: string[];
  accessToken: string;
  idToken: string;
  claims: IdTokenClaims;
  obtainedAt: number;
  /** The earlier end of both tokens. */
  expiresAt: number;
}

export interface TokenStore {
  read(): Tokens[];
  write(tokens: Tokens[]): void;
}

/** A token that ends within this is not handed out: it has a way to go. At most a tenth of its life. */
const MARGIN = 30_000;

const isFresh = (tokens: Tokens, now: number) => {
  const margin = Math.min(MARGIN, (tokens.expiresAt - tokens.obtainedAt) / 10);
  // A clock that was set back makes a token appear younger than it can be.
  return now < tokens.expiresAt - margin && now >= tokens.obtainedAt - MARGIN;
};

const covers = (tokens: Tokens, audience: string, scope: string[]) =>
  tokens.audience === audience && scope.every((one) => tokens.scope.includes(one));

/** Tokens by audience and scope, as pairs. What has expired is dropped when it is met. */
export class TokenCache {
  readonly #store: TokenStore;

  constructor(store: TokenStore) {
    this.#store = store;
  }

  find(audience: string, scope: string[], now: number, since = 0): Tokens | undefined {
    const all = this.#store.read();
    const fresh = all.filter((tokens) => isFresh(tokens, now));
    if (fresh.length < all.length) this.#store.write(fresh);
    return fresh.find((tokens) => covers(tokens, audience, scope) && tokens.obtainedAt >= since);
  }

  newest(now: number): Tokens | undefined {
    const fresh = this.#store.read().filter((tokens) => isFresh(tokens, now));
    return fresh.sort((a, b) => b.obtainedAt - a.obtainedAt)[0];
  }

  /** Replaces what the new tokens make needless, and everything of another user. */
  add(tokens: Tokens): void {
    const kept = this.#store
      .read()
      .filter((old) => old.claims.sub === tokens.claims.sub && !covers(tokens, old.audience, old.scope));
    this.#store.write([tokens, ...kept]);
  }

  clear(): void {
    this.#store.write([]);
  }
}

export function memoryStore(): TokenStore {
  let all: Tokens[] = [];
  return {
    read: () => all,
    write: (tokens) => {
      all = tokens;
    },
  };
}

/** Lives as long as the browser's profile, and is shared by all tabs of the origin. */
export function localStore(key: string): TokenStore {
  return {
    read: () => {
      try {
        const all: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
        return Array.isArray(all) ? (all as Tokens[]) : [];
      } catch {
        return [];
      }
    },
    write: (tokens) => {
      if (tokens.length) localStorage.setItem(key, JSON.stringify(tokens));
      else localStorage.removeItem(key);
    },
  };
}
