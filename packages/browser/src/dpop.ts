/** Proofs of possession (RFC 9449). A part of its own: only who asks for them loads it. */
import * as oauth from 'oauth4webapi';

/** With a proof. A server that wants a nonce in it is asked once more (RFC 9449 section 9). */
export async function sendWithProof(DPoP: oauth.DPoPHandle, url: URL, init: RequestInit, accessToken: string): Promise<Response> {
  const { method = 'GET', headers, body, ...rest } = init;
  const options = {
    DPoP,
    // Where a request may go is the caller's business: it is the caller who says which address.
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (address: string, made: RequestInit) => fetch(address, { ...rest, ...made }),
  } as oauth.ProtectedResourceRequestOptions;
  const once = () =>
    oauth.protectedResourceRequest(accessToken, method, url, new Headers(headers), body as oauth.ProtectedResourceRequestBody, options);
  try {
    return await once().catch((error: unknown) => (oauth.isDPoPNonceError(error) ? once() : Promise.reject(error)));
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response;
    throw error;
  }
}

/** The key of this origin and client; its private half cannot be exported. All tabs use the same one. */
export async function loadKey(name: string): Promise<CryptoKeyPair> {
  const database = await request(() => {
    const opening = indexedDB.open('tenure', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('dpop');
    return opening;
  });
  try {
    const stored = await request<CryptoKeyPair | undefined>(() => keys(database, 'readonly').get(name));
    if (stored) return stored;
    const made = await oauth.generateKeyPair('ES256', { extractable: false });
    // Another tab may have been first; then its key is the one.
    await request(() => keys(database, 'readwrite').add(made, name)).catch(() => undefined);
    return (await request<CryptoKeyPair | undefined>(() => keys(database, 'readonly').get(name))) ?? made;
  } finally {
    database.close();
  }
}

const keys = (database: IDBDatabase, mode: IDBTransactionMode) => database.transaction('dpop', mode).objectStore('dpop');

function request<Result>(begin: () => IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const running = begin();
    running.onsuccess = () => resolve(running.result);
    running.onerror = (event) => {
      event.preventDefault();
      reject(new Error('DPoP needs IndexedDB', { cause: running.error }));
    };
  });
}
