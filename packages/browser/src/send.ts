/** Sends requests with an access token, and a proof of possession where there is a key (RFC 6750, RFC 9449). */
export type Send = (url: URL, init: RequestInit, accessToken?: string) => Promise<Response>;

export const sendPlainly: Send = (url, init, accessToken) => {
  const headers = new Headers(init.headers);
  if (accessToken !== undefined) headers.set('authorization', `Bearer ${accessToken}`);
  return fetch(url, { ...init, headers });
};

