/** Answers that a page of the server posts from an invisible frame or a window (web_message response mode). */
import { TenureError } from './errors.ts';

interface Answer extends Record<string, unknown> {
  state?: string;
  error?: string;
  error_description?: string;
  storage_access?: boolean;
}

/** A frame that has loaded and said nothing until then is not the server's page. */
const GRACE = 1_000;

/** Hears the one answer of `source`, which must have the server's origin. */
function listen(origin: string, source: () => Window | null, heard: (answer: Answer) => void): () => void {
  const listener = ({ origin: from, source: sender, data }: MessageEvent<{ type?: unknown; response?: Answer } | null>) => {
    if (from !== origin || sender !== source() || data?.type !== 'authorization_response' || !data.response) return;
    heard(data.response);
  };
  addEventListener('message', listener);
  return () => removeEventListener('message', listener);
}

/** @throws TenureError the error that the answer states */
function read({ storage_access: access, ...answer }: Answer, state: string): URLSearchParams {
  if (answer.state !== state) throw new TenureError('state_mismatch', 'the answer belongs to another request');
  if (answer.error !== undefined) {
    if (answer.error === 'login_required' && access === false) {
      throw new TenureError(
        'third_party_cookies_blocked',
        'this browser keeps the cookie from the invisible frame: use refresh tokens, or serve the server from the site of this page',
      );
    }
    throw new TenureError(answer.error, answer.error_description ?? answer.error);
  }
  return new URLSearchParams(Object.entries(answer).map(([name, value]) => [name, String(value)]));
}

export function askFrame(url: URL, state: string, seconds: number): Promise<URLSearchParams> {
  const frame = document.createElement('iframe');
  frame.style.display = 'none';
  frame.title = 'sign-in';
  let done = (): void => undefined;
  const answer = new Promise<URLSearchParams>((resolve, reject) => {
    const fail = (code: 'timeout' | 'frame_refused', message: string) => reject(new TenureError(code, message));
    const unlisten = listen(url.origin, () => frame.contentWindow, (said) => {
      try {
        resolve(read(said, state));
      } catch (error) {
        reject(error as TenureError);
      }
    });
    const timer = setTimeout(() => fail('timeout', `no answer from the invisible frame within ${seconds} s`), seconds * 1000);
    let grace: ReturnType<typeof setTimeout>;
    frame.onload = () => {
      grace = setTimeout(
        () => fail('frame_refused', "the invisible frame loaded a page that does not answer: is this page's address a callback of the client, and may frames of the server be shown here (frame-src, COEP)?"),
        GRACE,
      );
    };
    done = () => {
      unlisten();
      clearTimeout(timer);
      clearTimeout(grace);
      frame.remove();
    };
  });
  frame.src = url.href;
  document.body.append(frame);
  return answer.finally(done);
}

/** Opens the window at once, as browsers allow it only within a click; where it goes is known later. */
export function openPopup(): Window {
  const [width, height] = [480, 680];
  const left = Math.round(screenX + (outerWidth - width) / 2);
  const top = Math.round(screenY + (outerHeight - height) / 2);
  const popup = open('', 'tenure:login', `popup,width=${width},height=${height},left=${left},top=${top}`);
  if (!popup) throw new TenureError('popup_blocked', 'the browser did not open the window: begin the login in a click');
  return popup;
}

export function askPopup(popup: Window, url: URL, state: string, seconds: number): Promise<URLSearchParams> {
  let done = (): void => undefined;
  const answer = new Promise<URLSearchParams>((resolve, reject) => {
    const unlisten = listen(url.origin, () => popup, (said) => {
      try {
        resolve(read(said, state));
      } catch (error) {
        reject(error as TenureError);
      }
    });
    const timer = setTimeout(() => reject(new TenureError('timeout', `nobody signed in within ${seconds} s`)), seconds * 1000);
    const watch = setInterval(() => {
      if (popup.closed) reject(new TenureError('popup_closed', 'the window was closed'));
    }, 500);
    done = () => {
      unlisten();
      clearTimeout(timer);
      clearInterval(watch);
      popup.close();
    };
  });
  popup.location.replace(url.href);
  return answer.finally(done);
}
