/** Keeps refresh tokens by name, and makes the requests that need them, so that nobody else sees one. */

export interface KeptRequest {
  url: string;
  headers: Record<string, string>;
  body: string;
  /** Under which name the refresh token of the answer is kept, and the one of the request was. */
  name: string;
}

export interface KeptAnswer {
  status: number;
  headers: [string, string][];
  body: string;
  /** Whether a refresh token is kept under the name now. */
  kept: boolean;
}

export type Order =
  | ({ do: 'send' } & KeptRequest)
  /** Sends each refresh token to the revocation endpoint (RFC 7009), and forgets it. */
  | { do: 'revoke'; url: string; clientId: string; except?: undefined }
  | { do: 'forget'; except?: string | undefined };

export interface RefreshStore {
  get(name: string): string | undefined;
  set(name: string, token: string): void;
  delete(name: string): void;
  all(): [string, string][];
}

/**
 * The worker's script is the text of this function, so that the code is in the package once: it must not use anything
 * that is outside of it.
 */
export function keeping() {
  function keeper(store: RefreshStore, origin: string) {
    async function post(url: string, body: URLSearchParams, headers: Record<string, string> = {}) {
      // Whoever can give orders must not be able to have a token sent elsewhere.
      if (new URL(url).origin !== origin) throw new Error(`${url} is not at ${origin}`);
      const signal = AbortSignal.timeout(10_000);
      return fetch(url, { method: 'POST', body, headers, signal, credentials: 'omit', redirect: 'error' });
    }

    async function send({ url, headers, body, name }: KeptRequest): Promise<KeptAnswer> {
      const params = new URLSearchParams(body);
      const refreshes = params.get('grant_type') === 'refresh_token';
      const sent = store.get(name);
      if (refreshes) {
        if (sent === undefined) return refusal('missing_refresh_token', 'no refresh token');
        params.set('refresh_token', sent);
      }
      const response = await post(url, params, headers);
      let text = await response.text();
      // Forgotten meanwhile: what was on its way brings nobody back.
      const now = store.get(name);
      if (refreshes && now === undefined) return refusal('login_required', 'no refresh token');
      // Somebody may have signed in meanwhile, or another tab refreshed: what is there now is not this answer's.
      const ours = !refreshes || now === sent;
      try {
        const json = JSON.parse(text) as Record<string, unknown>;
        if (typeof json['refresh_token'] === 'string') {
          if (ours) store.set(name, json['refresh_token']);
          delete json['refresh_token'];
          text = JSON.stringify(json);
        } else if (refreshes && ours && json['error'] === 'invalid_grant') {
          store.delete(name);
        }
      } catch {
        // Not JSON: whoever asked says so.
      }
      return { status: response.status, headers: [...response.headers], body: text, kept: store.get(name) !== undefined };
    }

    async function revoke(url: string, clientId: string): Promise<void> {
      for (const [name, token] of store.all()) {
        const body = new URLSearchParams({ client_id: clientId, token, token_type_hint: 'refresh_token' });
        const response = await post(url, body);
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        store.delete(name);
      }
    }

    return async (order: Order): Promise<KeptAnswer | undefined> => {
      switch (order.do) {
        case 'send':
          return send(order);
        case 'revoke':
          await revoke(order.url, order.clientId);
          return undefined;
        case 'forget':
          for (const [name] of store.all()) if (name !== order.except) store.delete(name);
          return undefined;
      }
    };
  }

  const refusal = (error: string, error_description: string): KeptAnswer => ({
    status: 400,
    headers: [['content-type', 'application/json']],
    body: JSON.stringify({ error, error_description }),
    kept: false,
  });

  function memoryTokens(): RefreshStore {
    const tokens = new Map<string, string>();
    return Object.assign(tokens, { all: () => [...tokens] });
  }

  return { keeper, memoryTokens };
}

/** One family for all tabs; each refresh reads the token that another tab may have rotated meanwhile. */
export function localTokens(prefix: string): RefreshStore {
  return {
    get: (name) => localStorage.getItem(prefix + name) ?? undefined,
    set: (name, token) => localStorage.setItem(prefix + name, token),
    delete: (name) => localStorage.removeItem(prefix + name),
    all: () =>
      Object.keys(localStorage)
        .filter((key) => key.startsWith(prefix))
        .map((key) => [key.slice(prefix.length), localStorage.getItem(key) ?? '']),
  };
}
