/** What happens to a stolen refresh token: it is in local storage, where every script of the page can read it. */
import type { Account } from '../account.ts';
import { place } from '../place.ts';

/** Tells each step as it is done. @throws Error what kept the thief from it */
export async function playTheThief({ client }: Account, tell: (step: string) => void): Promise<void> {
  const stolen = refreshToken();
  if (stolen === undefined) throw new Error('There is no refresh token to steal: sign in first.');
  tell('A script copied the refresh token out of local storage.');
  // Twice, since the token right before the present one is tolerated for a minute: an answer may get lost.
  for (const time of ['once', 'once more']) {
    await client.getTokenSilently({ cacheMode: 'off' });
    tell(`The forum refreshed ${time}: its token is a new one each time.`);
  }
  tell(`The thief presented the copy. The server answered: ${await present(stolen)}.`);
  await client.getTokenSilently({ cacheMode: 'off' });
  tell('The forum’s own refresh token is worth nothing now either. The session lives, so the server signed the forum in again, with new tokens.');
}

function refreshToken(): string | undefined {
  const key = Object.keys(localStorage).find((name) => name.startsWith(`tenure.${place.client}.refresh.`));
  return key === undefined ? undefined : (localStorage.getItem(key) ?? undefined);
}

async function present(refresh_token: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'refresh_token', client_id: place.client, refresh_token });
  const response = await fetch(new URL('oauth/token', place.issuer), { method: 'POST', body });
  const answer = (await response.json()) as { error?: string; reason?: string };
  return `${response.status} ${answer.error ?? 'tokens'}${answer.reason ? `, ${answer.reason}` : ''}`;
}
