import { TokenCache, type Tokens } from './cache.ts';
import type { AuthListener, AuthState, IdTokenClaims, User } from './types.ts';

/** Claims of the protocol, which say nothing of the person. */
const PROTOCOL = 'iss aud exp nbf iat jti azp nonce auth_time at_hash acr amr sid session_expiry cnf'.split(' ');

const NOBODY: AuthState = { isAuthenticated: false, user: undefined };

/** Who is signed in, as the last ID token says. It outlives the cache's pairs: an expired token still names its user. */
export class Account {
  readonly cache: TokenCache;
  readonly #listeners = new Set<AuthListener>();
  #last: Tokens | undefined;
  #state = NOBODY;

  constructor(cache: TokenCache) {
    this.cache = cache;
    const stored = cache.newest(Date.now());
    if (stored) this.#remember(stored);
  }

  get last(): Tokens | undefined {
    return this.#last;
  }

  get claims(): IdTokenClaims | undefined {
    return this.state.isAuthenticated ? this.#last?.claims : undefined;
  }

  /** Read while a page is drawn: nobody is told anything by it. */
  get state(): AuthState {
    return this.#last && Date.now() < sessionEnd(this.#last) ? this.#state : NOBODY;
  }

  /** New tokens, of this tab or of another one. */
  adopt(tokens: Tokens): void {
    const last = this.#last;
    const older = last && tokens.obtainedAt < last.obtainedAt;
    // What was on its way while another user signed in is of no use any more.
    if (older && last.claims.sub !== tokens.claims.sub) return;
    this.cache.add(tokens);
    if (!older) this.#remember(tokens);
  }

  #remember(tokens: Tokens): void {
    this.#last = tokens;
    const user = userOf(tokens.claims);
    if (JSON.stringify(user) !== JSON.stringify(this.#state.user)) this.#change({ isAuthenticated: true, user });
  }

  forget(): void {
    this.cache.clear();
    this.#last = undefined;
    if (this.#state.isAuthenticated) this.#change(NOBODY);
  }

  subscribe(listener: AuthListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #change(state: AuthState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

/** When an application session made from these tokens must end, in this browser's milliseconds. */
const sessionEnd = ({ claims, obtainedAt }: Tokens) =>
  typeof claims.session_expiry === 'number' ? obtainedAt + (claims.session_expiry - claims.iat) * 1000 : Infinity;

function userOf(claims: IdTokenClaims): User {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !PROTOCOL.includes(name))) as User;
}
