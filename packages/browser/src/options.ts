import { TenureError } from './errors.ts';
import type { TenureClientOptions } from './types.ts';

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/** The issuer as the server writes it, with the slash at its end. Http is for loopback only. */
export function issuerOf(text: string): URL {
  const issuer = URL.canParse(text) ? new URL(text) : undefined;
  if (!issuer || issuer.search || issuer.hash) {
    throw new TenureError('invalid_options', `issuer: not an address: ${text}`);
  }
  if (issuer.protocol !== 'https:' && !isInsecure(issuer)) {
    throw new TenureError('invalid_options', `issuer: needs https:// (or localhost): ${text}`);
  }
  if (!issuer.pathname.endsWith('/')) issuer.pathname += '/';
  return issuer;
}

export const isInsecure = (issuer: URL) => issuer.protocol === 'http:' && LOOPBACK.test(issuer.hostname);

/** @throws TenureError `invalid_options`, naming the option */
export function check(options: TenureClientOptions): URL {
  const issuer = issuerOf(options.issuer);
  if (!options.clientId) throw new TenureError('invalid_options', 'clientId: is missing');
  if (!globalThis.crypto?.subtle) {
    throw new TenureError('invalid_options', 'needs https:// (or localhost)');
  }
  if (options.silentTimeout !== undefined && !(options.silentTimeout > 0)) {
    throw new TenureError('invalid_options', 'silentTimeout: must be above 0');
  }
  return issuer;
}

/** Scopes in the order asked, without repeats, `openid` first. */
export function scopes(...texts: (string | undefined)[]): string[] {
  const all = ['openid', ...texts.flatMap((text) => (text ?? '').split(' '))];
  return [...new Set(all.filter(Boolean))];
}
