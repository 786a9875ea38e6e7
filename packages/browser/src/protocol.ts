/** What goes over the wire: discovery, authorization requests, the token endpoint. */
import * as oauth from 'oauth4webapi';
import type { Tokens } from './cache.ts';
import { TenureError } from './errors.ts';
import { isInsecure, scopes } from './options.ts';
import { sendPlainly, type Send } from './send.ts';
import type { AuthorizationOptions, IdTokenClaims, TenureClientOptions } from './types.ts';
import type { Vault } from './vault.ts';

/** What must be remembered of an authorization request until its answer comes. */
export interface Transaction {
  state: string;
  nonce: string;
  verifier: string;
  redirectUri: string;
  audience: string;
  scope: string[];
  maxAge?: number | undefined;
}

export interface Asked extends AuthorizationOptions {
  redirectUri: string;
  responseMode: 'query' | 'web_message';
  silent?: boolean;
}

/** Under which name a refresh token is kept: what its login asked for. */
export const familyName = ({ audience, scope }: { audience: string; scope: string[] }) => JSON.stringify([audience, scope]);

export class Protocol {
  readonly issuer: URL;
  readonly #options: TenureClientOptions;
  readonly #vault: Vault;
  readonly #client: oauth.Client;
  readonly #http: { [oauth.allowInsecureRequests]: boolean };
  #discovered: Promise<oauth.AuthorizationServer> | undefined;
  #key: Promise<oauth.DPoPHandle> | undefined;

  constructor(issuer: URL, options: TenureClientOptions, vault: Vault) {
    this.issuer = issuer;
    this.#options = options;
    this.#vault = vault;
    this.#client = { client_id: options.clientId, token_endpoint_auth_method: 'none' };
    this.#http = { [oauth.allowInsecureRequests]: isInsecure(issuer) };
  }

  server(): Promise<oauth.AuthorizationServer> {
    const discover = async () => {
      const response = await oauth.discoveryRequest(this.issuer, { ...this.#http, signal: AbortSignal.timeout(10_000) });
      return oauth.processDiscoveryResponse(this.issuer, response);
    };
    this.#discovered ??= discover().catch((error: unknown) => {
      this.#discovered = undefined;
      throw asError(error);
    });
    return this.#discovered;
  }

  async endpoint(name: 'authorization_endpoint' | 'revocation_endpoint' | 'end_session_endpoint'): Promise<URL> {
    const url = (await this.server())[name];
    if (!url) throw new TenureError('invalid_response', `the server names no ${name}`);
    return new URL(url);
  }

  /** The handle of the key, where the client uses one. */
  async dpop(): Promise<oauth.DPoPHandle | undefined> {
    if (!this.#options.useDpop) return undefined;
    const make = async () => {
      const { loadKey } = await import('./dpop.ts');
      const pair = await loadKey(`${this.issuer.href} ${this.#options.clientId}`);
      // The library reads the skew once; here it is learnt later.
      const adjust = (_: unknown, payload: Record<string, unknown>) => {
        payload['iat'] = Math.floor(Date.now() / 1000) + (this.#client[oauth.clockSkew] ?? 0);
      };
      return oauth.DPoP(this.#client, pair, { [oauth.modifyAssertion]: adjust });
    };
    return (this.#key ??= make().catch((error: unknown) => {
      throw new TenureError('invalid_options', String(error), { cause: error });
    }));
  }

  async sender(): Promise<Send> {
    const DPoP = await this.dpop();
    if (!DPoP) return sendPlainly;
    const { sendWithProof } = await import('./dpop.ts');
    return (url, init, token) => (token === undefined ? sendPlainly(url, init) : sendWithProof(DPoP, url, init, token));
  }

  scopeOf(scope: string | undefined): string[] {
    const { useRefreshTokens, refreshTokenMode = 'offline', scope: usual = 'profile email' } = this.#options;
    return scopes(usual, scope, useRefreshTokens ? `${refreshTokenMode}_access` : '');
  }

  audienceOf(audience: string | undefined): string {
    return audience ?? this.#options.audience ?? '';
  }

  /** The address of an authorization request, always with PKCE (RFC 7636), and what belongs to it. */
  async authorization(asked: Asked): Promise<{ url: URL; transaction: Transaction }> {
    const url = await this.endpoint('authorization_endpoint');
    const transaction: Transaction = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      redirectUri: asked.redirectUri,
      audience: this.audienceOf(asked.audience),
      scope: this.scopeOf(asked.scope),
      maxAge: asked.maxAge,
    };
    const set = (params: Record<string, string | undefined>) => {
      for (const [name, value] of Object.entries(params)) if (value) url.searchParams.set(name, value);
    };
    set({ ...this.#options.authorizationParams, ...asked.authorizationParams });
    set({
      client_id: this.#options.clientId,
      response_type: 'code',
      response_mode: asked.responseMode,
      redirect_uri: transaction.redirectUri,
      scope: transaction.scope.join(' '),
      audience: transaction.audience,
      state: transaction.state,
      nonce: transaction.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(transaction.verifier),
      code_challenge_method: 'S256',
      prompt: asked.silent ? 'none' : asked.prompt,
      max_age: asked.maxAge?.toString(),
      login_hint: asked.loginHint,
      dpop_jkt: await (await this.dpop())?.calculateThumbprint(),
    });
    return { url, transaction };
  }

  /** Checks the answer to an authorization request, and exchanges its code. */
  async redeem(answer: URLSearchParams, transaction: Transaction): Promise<Tokens> {
    const server = await this.server();
    return this.#guarded(async (DPoP) => {
      const params = oauth.validateAuthResponse(server, this.#client, answer, transaction.state);
      const options = { ...this.#http, ...DPoP, [oauth.customFetch]: this.#fetcher(transaction.audience, transaction.scope) };
      const response = await oauth.authorizationCodeGrantRequest(server, this.#client, oauth.None(), params, transaction.redirectUri, transaction.verifier, options);
      const tokens = await oauth.processAuthorizationCodeResponse(server, this.#client, response, {
        expectedNonce: transaction.nonce,
        requireIdToken: true,
        maxAge: transaction.maxAge,
      } as oauth.ProcessAuthorizationCodeResponseOptions);
      await oauth.validateApplicationLevelSignature(server, response, this.#http);
      return this.#tokens(tokens, transaction.audience, transaction.scope);
    });
  }

  /** Exchanges the refresh token that is kept for an audience and scopes. */
  async refresh(audience: string, scope: string[]): Promise<Tokens> {
    const server = await this.server();
    return this.#guarded(async (DPoP) => {
      const options = { ...this.#http, ...DPoP, [oauth.customFetch]: this.#fetcher(audience, scope) };
      // The keeper puts the token where this text is: nobody else has it.
      const response = await oauth.refreshTokenGrantRequest(server, this.#client, oauth.None(), 'kept', options);
      const tokens = await oauth.processRefreshTokenResponse(server, this.#client, response);
      if (tokens.id_token === undefined) throw new TenureError('invalid_response', 'the answer has no ID token');
      await oauth.validateApplicationLevelSignature(server, response, this.#http);
      return this.#tokens(tokens, audience, scope);
    });
  }

  /** Runs an exchange, once more if the server wants a nonce in the proof, and words what goes wrong. */
  async #guarded<Result>(exchange: (dpop: { DPoP?: oauth.DPoPHandle }) => Promise<Result>): Promise<Result> {
    const DPoP = await this.dpop();
    const run = () => exchange(DPoP ? { DPoP } : {});
    try {
      return await run().catch((error: unknown) => (oauth.isDPoPNonceError(error) ? run() : Promise.reject(error)));
    } catch (error) {
      throw asError(error);
    }
  }

  /** Has the keeper of refresh tokens make the request, and learns the server's time from a fresh ID token. */
  #fetcher(audience: string, scope: string[]) {
    const name = familyName({ audience, scope });
    return async (url: string, { body, headers }: { body: URLSearchParams; headers: Record<string, string> }) => {
      const answer = await this.#vault.order({ do: 'send', name, url, headers, body: body.toString() });
      if (!answer) throw new TypeError('no answer');
      const issuedAt = issuedAtOf(answer.body);
      // It was issued for this very request, over TLS and bound by nonce or refresh token, so what it says of now
      // is the server's word. A wrong clock here must not make it look expired, or not yet valid.
      if (issuedAt !== undefined) this.#client[oauth.clockSkew] = issuedAt - Math.floor(Date.now() / 1000);
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    };
  }

  #tokens(answer: oauth.TokenEndpointResponse, audience: string, scope: string[]): Tokens {
    const claims = oauth.getValidatedIdTokenClaims(answer) as unknown as IdTokenClaims;
    const now = Date.now();
    // Lives are counted from here on: both clocks may be wrong, their difference in length is not.
    const lives = [answer.expires_in ?? Infinity, claims.exp - claims.iat];
    if (typeof claims.session_expiry === 'number') lives.push(claims.session_expiry - claims.iat);
    return {
      audience,
      scope: [...new Set([...scope, ...(answer.scope ?? '').split(' ').filter(Boolean)])],
      accessToken: answer.access_token,
      idToken: answer.id_token ?? '',
      claims,
      obtainedAt: now,
      expiresAt: now + Math.min(...lives) * 1000,
    };
  }

  /** The refresh tokens' revocation; with none kept, nothing is sent. */
  async revoke(): Promise<void> {
    const { href: url } = await this.endpoint('revocation_endpoint');
    await this.#vault.order({ do: 'revoke', url, clientId: this.#options.clientId }).catch((error: unknown) => {
      throw asError(error);
    });
  }
}

/** `iat` of the ID token in a token answer, before anything of it is believed. */
function issuedAtOf(body: string): number | undefined {
  try {
    const { id_token } = JSON.parse(body) as { id_token: string };
    const payload = id_token.split('.')[1]?.replace(/-/g, '+').replace(/_/g, '/') ?? '';
    const { iat } = JSON.parse(atob(payload)) as { iat: unknown };
    return typeof iat === 'number' ? iat : undefined;
  } catch {
    return undefined;
  }
}

export const TOO_OLD = 'the person signed in too long ago';

/** One kind of error for whatever went wrong. */
export function asError(error: unknown): TenureError {
  if (error instanceof TenureError) return error;
  if (error instanceof oauth.ResponseBodyError || error instanceof oauth.AuthorizationResponseError) {
    const { reason } = error.cause as { reason?: string };
    return new TenureError(error.error, error.error_description ?? error.error, { cause: error, reason });
  }
  if (error instanceof oauth.OperationProcessingError && error.code === oauth.JWT_TIMESTAMP_CHECK) {
    const { claim } = (error.cause ?? {}) as { claim?: string };
    if (claim === 'auth_time') return new TenureError('login_too_old', TOO_OLD, { cause: error });
  }
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  if (name === 'TimeoutError') return new TenureError('timeout', 'no answer in time', { cause: error });
  // `fetch` fails with a TypeError; the library's own have a code.
  if (error instanceof TypeError && code === undefined) {
    return new TenureError('network', 'the server could not be reached', { cause: error });
  }
  return new TenureError('invalid_response', message ?? String(error), { cause: error });
}
