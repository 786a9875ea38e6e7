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
    const now = Date.now();
    const wish: Wish = {
      audience: this.#protocol.audienceOf(audience),
      scope: this.#protocol.scopeOf(scope),
      since: cacheMode === 'off' ? now : 0,
    };
    if (cacheMode !== 'off') {
      const cached = this.#find(wish);
      if (cached || cacheMode === 'cache-only') return cached;
    }
    // Calls of one tab that wish for the same share the way there.
    const key = JSON.stringify([wish.audience, wish.scope]);
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
    const here = this.#find(wish);
    if (here) return here;
    // Whoever was alone before us may have told it, and the telling may be slower than the lock.
    let helper: string | undefined;
    const offered = await this.#tabs.ask<Offer>({ type: 'wish', wish }, TAB_ANSWERS, (offer, from) => {
      if (offer?.can) helper ??= from;
      return offer?.tokens !== undefined;
    });
    if (offered?.answer.tokens) return this.#adopt(offered.answer.tokens);
    const refreshed = await this.#refresh(wish);
    if (refreshed) return refreshed;
    if (helper !== undefined) {
      const wanted = (offer: Offer) => offer?.tokens !== undefined;
      const helped = await this.#tabs.ask<Offer>({ type: 'refresh', wish }, TAB_REFRESHES, wanted, helper);
      if (helped?.answer.tokens) return this.#adopt(helped.answer.tokens);
    }
    return this.#silently(wish);
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
      const subject = this.#account.last?.claims.sub;
      return this.obtained(await this.#protocol.refresh(...family, subject), { audience: family[0], scope: family[1] });
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
    try {
      const answer = await askFrame(url, transaction.state, this.#options.silentTimeout ?? 10);
      return this.obtained(await this.#protocol.redeem(answer, transaction), transaction);
    } catch (error) {
      // Nobody is signed in at the server any more, whatever the tabs believe; but an offline refresh token may
      // outlive the session.
      if ((error as TenureError).code === 'login_required') this.signOut({ evenRefreshing: false });
      throw error;
    }
  }

  /** New tokens from the server: for this tab, and for the others. */
  obtained(tokens: Tokens, asked: Pick<Transaction, 'audience' | 'scope'>): Tokens {
    this.#tabs.tell({ type: 'tokens', tokens });
    return this.#adopt(tokens, familyName(asked));
  }

  #adopt(tokens: Tokens, family?: string): Tokens {
    const { last } = this.#account;
    // Refresh tokens of the user before, but not the one that has just come.
    const others = last !== undefined && last.claims.sub !== tokens.claims.sub && (family !== undefined || !this.#vault.shared);
    if (others) void this.#vault.order({ do: 'forget', except: family });
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
