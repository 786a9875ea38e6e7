/** `getTokenSilently`: the cache, what another tab has, a refresh token here or there, the invisible frame. */
import type { Account } from './account.ts';
import type { Tokens } from './cache.ts';
import { TenureError } from './errors.ts';
import { familyName, type Protocol, type Transaction } from './protocol.ts';
import { Tabs } from './tabs.ts';
import type { GetTokenOptions, TenureClientOptions } from './types.ts';
import type { Vault } from './vault.ts';
import { askFrame } from './windows.ts';

interface Wish {
  audience: string;
  scope: string[];
  /** Tokens that were obtained before this instant will not do. */
  since: number;
}

type Message =
  | { type: 'tokens'; tokens: Tokens }
  | { type: 'signed_out'; evenRefreshing: boolean }
  /** Whoever has such tokens hands them over; whoever could refresh them says so. */
  | { type: 'wish'; wish: Wish }
  | { type: 'refresh'; wish: Wish };

interface Offer {
  tokens?: Tokens | undefined;
  can?: boolean;
}

/** A tab that lives answers at once. */
const TAB_ANSWERS = 300;
const TAB_REFRESHES = 12_000;
const LONGEST_TURN = 25_000;

export class TokenSource {
  readonly #options: TenureClientOptions;
  readonly #protocol: Protocol;
  readonly #vault: Vault;
  readonly #account: Account;
  readonly #tabs: Tabs<Message>;
  readonly #running = new Map<string, Promise<Tokens>>();
  /** Told of every token that comes to this tab. */
  onTokens: (tokens: Tokens) => void = () => undefined;
  onSignedOut: () => void = () => undefined;

  constructor(options: TenureClientOptions, protocol: Protocol, vault: Vault, account: Account) {
    this.#options = options;
    this.#protocol = protocol;
    this.#vault = vault;
    this.#account = account;
    const name = `tenure ${protocol.issuer.href} ${options.clientId}`;
    this.#tabs = new Tabs<Message>(name, (message) => this.#heard(message), (question) => this.#asked(question));
  }

  async get({ audience, scope, cacheMode = 'on' }: GetTokenOptions): Promise<Tokens | undefined> {
    const wish: Wish = {
      audience: this.#protocol.audienceOf(audience),
      scope: this.#protocol.scopeOf(scope),
      since: cacheMode === 'off' ? Date.now() : 0,
    };
    if (cacheMode !== 'off') {
      const cached = this.#find(wish);
      if (cached || cacheMode === 'cache-only') return cached;
    }
    // Calls of one tab that wish for the same share the way there.
    const key = JSON.stringify([wish.audience, wish.scope, cacheMode]);
    let running = this.#running.get(key);
    if (!running) {
      running = this.alone(() => this.#obtain(wish)).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  #find({ audience, scope, since }: Wish): Tokens | undefined {
    return this.#account.cache.find(audience, scope, Date.now(), since);
  }

  /** Alone among all tabs. */
  async #obtain(wish: Wish): Promise<Tokens> {
    let helper: string | undefined;
    const ask = async (type: 'wish' | 'refresh', milliseconds: number) => {
      const wanted = (offer: Offer | undefined, from: string) => {
        if (offer?.can) helper ??= from;
        return offer?.tokens !== undefined;
      };
      const { tokens } = (await this.#tabs.ask<Offer>({ type, wish }, milliseconds, wanted, helper)) ?? {};
      return tokens && this.#adopt(tokens);
    };
    return (
      this.#find(wish) ??
      // Whoever was alone before us may have told it, and the telling may be slower than the lock.
      (await ask('wish', TAB_ANSWERS)) ??
      (await this.#refresh(wish)) ??
      (helper ? await ask('refresh', TAB_REFRESHES) : undefined) ??
      this.#silently(wish)
    );
  }

  /** The family that could yield such tokens: its scopes are those of its login. */
  #family({ audience, scope }: Wish): [string, string[]] | undefined {
    const families = this.#vault.names().map((name) => JSON.parse(name) as [string, string[]]);
    return families.find(([its, all]) => its === audience && scope.every((one) => all.includes(one)));
  }

  /** `undefined` where there is no refresh token, or one that is worth nothing any more: then the frame may help. */
  async #refresh(wish: Wish): Promise<Tokens | undefined> {
    const family = this.#family(wish);
    if (!family) return undefined;
    try {
      const tokens = await this.#protocol.refresh(...family);
      // OpenID Connect Core 1.0 section 12.2; and somebody else may have signed in meanwhile.
      this.#sameUser(tokens);
      return this.obtained(tokens, { audience: family[0], scope: family[1] });
    } catch (error) {
      const { code } = error as TenureError;
      if (code === 'invalid_grant' || code === 'missing_refresh_token') return undefined;
      throw error;
    }
  }

  async #silently({ audience, scope }: Wish): Promise<Tokens> {
    const redirectUri = this.#options.redirectUri ?? location.origin;
    const { url, transaction } = await this.#protocol.authorization({
      audience,
      scope: scope.join(' '),
      redirectUri,
      responseMode: 'web_message',
      silent: true,
    });
    const { last } = this.#account;
    try {
      const answer = await askFrame(url, transaction.state, this.#options.silentTimeout ?? 10);
      const tokens = await this.#protocol.redeem(answer, transaction);
      // The cookie may be of another user than the last tokens were; but who signed in meanwhile is the one.
      if (this.#account.last !== last) this.#sameUser(tokens);
      return this.obtained(tokens, transaction);
    } catch (error) {
      // Nobody is signed in at the server any more, whatever the tabs believe; but an offline refresh token may
      // outlive the session.
      if ((error as TenureError).code === 'login_required') this.signOut({ evenRefreshing: false });
      throw error;
    }
  }

  #sameUser({ claims }: Tokens): void {
    const { last } = this.#account;
    if (last && last.claims.sub !== claims.sub) throw new TenureError('invalid_response', 'the ID token is of another user');
  }

  /** New tokens from the server: for this tab, and for the others. */
  obtained(tokens: Tokens, asked: Pick<Transaction, 'audience' | 'scope'>): Tokens {
    this.#tabs.tell({ type: 'tokens', tokens });
    return this.#adopt(tokens, familyName(asked));
  }

  #adopt(tokens: Tokens, family?: string): Tokens {
    const { last } = this.#account;
    const another = last && last.claims.sub !== tokens.claims.sub && tokens.obtainedAt >= last.obtainedAt;
    // Refresh tokens of the user before, but not the one that has just come.
    if (another && (family !== undefined || !this.#vault.shared)) void this.#vault.order({ do: 'forget', except: family });
    this.#account.adopt(tokens);
    this.onTokens(tokens);
    return tokens;
  }

  /** Forgets everything, in all tabs. */
  signOut({ evenRefreshing }: { evenRefreshing: boolean }): void {
    this.#tabs.tell({ type: 'signed_out', evenRefreshing });
    this.forget(evenRefreshing);
  }

  /** Forgets everything in this tab; with refresh tokens only if they are worth nothing any more either. */
  forget(evenRefreshing: boolean): void {
    if (!evenRefreshing && this.#vault.names().length) return;
    void this.#vault.order({ do: 'forget' });
    this.#account.forget();
    this.onSignedOut();
  }

  #heard(message: Message): void {
    if (message.type === 'tokens') this.#adopt(message.tokens);
    if (message.type === 'signed_out') this.forget(message.evenRefreshing);
  }

  async #asked(question: Message): Promise<Offer | undefined> {
    if (question.type === 'wish') return { tokens: this.#find(question.wish), can: this.#family(question.wish) !== undefined };
    // The asking tab holds the lock for us.
    if (question.type === 'refresh') return { tokens: await this.#refresh(question.wish) };
    return undefined;
  }

  /** Runs a task while no other tab runs one; but a tab that was frozen while it did must not stop all others. */
  async alone<Result>(task: () => Promise<Result>): Promise<Result> {
    let began = false;
    const run = () => {
      began = true;
      return task();
    };
    const patience = AbortSignal.timeout(LONGEST_TURN);
    return this.#tabs.alone('tokens', run, patience).catch((error: unknown) => (began ? Promise.reject(error) : run()));
  }

  close(): void {
    this.#tabs.close();
  }
}
