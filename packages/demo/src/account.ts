/** The site's client, and what the panel wants to know of it. */
import { createTenureClient, type TenureClient, type TenureClientOptions } from '@tenure/browser';
import type { Held, Tokens } from './lanes.ts';
import { place } from './place.ts';

const COUNT_DEEDS = 'demo.deeds';
const LAST_SID = 'demo.sid';

/** Whether what is done in the page keeps the session alive. Off at first: the panel's own clicks would. */
export const deedsCount = () => localStorage.getItem(COUNT_DEEDS) === 'yes';

export function countDeeds(count: boolean): void {
  localStorage.setItem(COUNT_DEEDS, count ? 'yes' : 'no');
  location.reload();
}

export class Account {
  readonly client: TenureClient;
  /** What went wrong on the way in, in the server's words. */
  problem: string | undefined;
  #access: Held | undefined;

  constructor(scope: string, options: Partial<TenureClientOptions>) {
    this.client = createTenureClient({
      issuer: place.issuer,
      clientId: place.client,
      redirectUri: `${location.origin}/`,
      audience: `${place.api}/`,
      scope: `openid profile email ${scope}`,
      useRefreshTokens: true,
      monitor: { extendOnActivity: deedsCount() },
      ...options,
    });
  }

  /** Finishes a login, or asks quietly whether somebody is signed in. */
  async begin(): Promise<void> {
    try {
      if (!(await this.client.handleRedirectCallback())) await this.client.checkSession();
    } catch (error) {
      this.problem = (error as Error).message;
    }
    // What an earlier page stored may be over since then.
    if (this.client.authState.isAuthenticated) await this.client.monitor.checkNow();
  }

  // Without a hint: it would lead straight to Northwind, whose domain her address is of.
  signIn = () => this.client.loginWithRedirect();

  signOut = () => this.client.logout({ returnTo: `${location.origin}/` });

  /** A button of the other site may have brought the person here. */
  async obey(): Promise<void> {
    const { hash } = location;
    if (hash !== '#sign-in' && hash !== '#sign-out') return;
    history.replaceState(null, '', '/');
    const { isAuthenticated } = this.client.authState;
    if (hash === '#sign-out' && isAuthenticated) await this.signOut();
    if (hash === '#sign-in' && !isAuthenticated) await this.signIn();
  }

  /** Asks the API; one 401 is answered with a new token, since the server's clock may have been moved. */
  async ask<Answer>(path: string): Promise<Answer> {
    let response = await this.client.fetch(`${place.api}${path}`);
    if (response.status === 401) {
      await this.client.getTokenSilently({ cacheMode: 'off' });
      response = await this.client.fetch(`${place.api}${path}`);
    }
    if (!response.ok) throw new Error(`the API answered ${response.status}: ${response.headers.get('www-authenticate') ?? ''}`);
    return (await response.json()) as Answer;
  }

  /** The tokens held here, and the session they are of: the last one, also when it is over. */
  async tokens(): Promise<Tokens> {
    const claims = await this.client.getIdTokenClaims();
    if (claims?.sid) sessionStorage.setItem(LAST_SID, claims.sid);
    const token = await this.client.getTokenSilently({ cacheMode: 'cache-only' });
    if (token) this.#access = held(JSON.parse(payload(token)) as Dated);
    return {
      sid: claims?.sid ?? sessionStorage.getItem(LAST_SID) ?? undefined,
      access: claims ? this.#access : undefined,
      id: claims && held(claims),
    };
  }
}

interface Dated {
  iat: number;
  exp: number;
}

const held = ({ iat, exp }: Dated): Held => ({ issuedAt: iat * 1000, expiresAt: exp * 1000 });

/** An application must not look into an access token; a demo that draws its life may. */
const payload = (token: string) => atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/'));
