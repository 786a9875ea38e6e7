/** Logins with redirect and in a window of their own, and what brings the person back. */
import { TenureError } from './errors.ts';
import { asError, type Protocol } from './protocol.ts';
import type { TokenSource } from './tokens.ts';
import { Transactions, type Pending } from './transactions.ts';
import type { PopupLoginOptions, RedirectCallbackResult, RedirectLoginOptions, TenureClientOptions } from './types.ts';
import { askPopup, openPopup } from './windows.ts';

const goTo = (url: string) => location.assign(url);

/**
 * Callbacks that are being handled, or were, in this page. Outside of the client, since React mounts twice, and an
 * application may make its client twice.
 */
const handled = new Map<string, Promise<RedirectCallbackResult>>();

export class Login {
  readonly #options: TenureClientOptions;
  readonly #protocol: Protocol;
  readonly #tokens: TokenSource;
  readonly #transactions: Transactions;

  constructor(options: TenureClientOptions, protocol: Protocol, tokens: TokenSource) {
    this.#options = options;
    this.#protocol = protocol;
    this.#tokens = tokens;
    this.#transactions = new Transactions(`tenure.login.${options.clientId}.`);
  }

  async withRedirect<AppState>(options: RedirectLoginOptions<AppState>): Promise<void> {
    const redirectUri = options.redirectUri ?? this.#options.redirectUri ?? location.origin;
    const { url, transaction } = await this.#protocol.authorization({ ...options, redirectUri, responseMode: 'query' });
    this.#transactions.put({ ...transaction, appState: options.appState, begunAt: Date.now() });
    await (options.openUrl ?? goTo)(url.href);
  }

  async withPopup({ popup = openPopup(), timeout = 300, ...options }: PopupLoginOptions): Promise<void> {
    try {
      const redirectUri = this.#options.redirectUri ?? location.origin;
      const asked = { ...options, redirectUri, responseMode: 'web_message' as const };
      const { url, transaction } = await this.#protocol.authorization(asked);
      const answer = await askPopup(popup, url, transaction.state, timeout);
      this.#tokens.obtained(await this.#protocol.redeem(answer, transaction), transaction);
    } finally {
      popup.close();
    }
  }

  /** `undefined` where the address carries no answer. */
  async callback<AppState>(address: string): Promise<RedirectCallbackResult<AppState> | undefined> {
    const url = new URL(address, location.href);
    const params = url.searchParams;
    const state = params.get('state');
    if (!state || !(params.has('code') || params.has('error'))) return undefined;
    const key = `${this.#options.clientId} ${state} ${params.get('code') ?? ''}`;
    let result = handled.get(key);
    if (!result) {
      result = this.#handle(url, state);
      handled.set(key, result);
    }
    return result as Promise<RedirectCallbackResult<AppState>>;
  }

  async #handle(url: URL, state: string): Promise<RedirectCallbackResult> {
    const answer = new URLSearchParams(url.search);
    const pending = this.#transactions.get(state);
    if (!pending) {
      throw new TenureError('missing_transaction', 'no login of this tab belongs to this address');
    }
    const { appState } = pending;
    try {
      const repeated = await this.#finish(answer, pending);
      return { appState, repeated };
    } catch (error) {
      const { code, message, reason } = asError(error);
      throw new TenureError(code, message, { appState, reason, cause: error });
    } finally {
      forgetAnswer(url);
    }
  }

  /** Whether the answer was here before. */
  async #finish(answer: URLSearchParams, pending: Pending): Promise<boolean> {
    const code = answer.get('code');
    if (code !== null && code === pending.code) {
      // A reload, or the way back. What the code was good for was had, or is lost with its answer; the session is not.
      await this.#tokens.get({}).catch(() => undefined);
      return true;
    }
    // Going back as far as the login page and signing in again brings another code for the same request.
    if (code !== null) this.#transactions.put({ ...pending, code });
    this.#tokens.obtained(await this.#protocol.redeem(answer, pending), pending);
    return false;
  }
}

/** Takes the answer's parameters out of the address, so that no reload, bookmark or log has them. */
function forgetAnswer(url: URL): void {
  const shown = new URL(location.href);
  if (shown.searchParams.get('state') !== url.searchParams.get('state')) return;
  for (const name of 'code state iss error error_description session_state'.split(' ')) shown.searchParams.delete(name);
  history.replaceState(history.state, '', shown);
}
