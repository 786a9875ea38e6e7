/** Answers that a page of the server posts from an invisible frame or a window (web_message response mode). */
import { TenureError, type SdkErrorCode } from './errors.ts';

interface Message {
  type: unknown;
  response?: Record<string, string>;
  /** Whether the frame may have its cookies, where the page can tell. */
  storage_access?: boolean;
}

/** A frame that has loaded and said nothing until then is not the server's page. */
const GRACE = 1_000;

/** @throws TenureError the error that the answer states */
function read({ response: answer = {}, storage_access: access }: Message, state: string): URLSearchParams {
  if (answer['state'] !== state) throw new TenureError('state_mismatch', 'the answer belongs to another request');
  const { error, error_description: description } = answer;
  if (error === 'login_required' && access === false) {
    throw new TenureError(
      'third_party_cookies_blocked',
      'use refresh tokens, or serve page and server from one site',
    );
  }
  if (error !== undefined) throw new TenureError(error, description ?? error);
  return new URLSearchParams(answer);
}

type Fail = (code: SdkErrorCode, message: string) => void;

/**
 * The one answer of a window that has the server's origin. `show` brings the server's page there, and returns how to
 * take it away.
 */
async function answerOf(source: () => Window | null, url: URL, state: string, seconds: number, show: (fail: Fail) => () => void) {
  let done = (): void => undefined;
  try {
    return await new Promise<URLSearchParams>((resolve, reject) => {
      const fail: Fail = (code, message) => reject(new TenureError(code, message));
      const listener = ({ origin, source: sender, data }: MessageEvent<Message | null>) => {
        if (origin !== url.origin || sender !== source() || data?.type !== 'authorization_response') return;
        try {
          resolve(read(data, state));
        } catch (error) {
          reject(error as TenureError);
        }
      };
      addEventListener('message', listener);
      const timer = setTimeout(fail, seconds * 1000, 'timeout', 'no answer in time');
      const remove = show(fail);
      done = () => {
        removeEventListener('message', listener);
        clearTimeout(timer);
        remove();
      };
    });
  } finally {
    done();
  }
}

export function askFrame(url: URL, state: string, seconds: number): Promise<URLSearchParams> {
  const frame = document.createElement('iframe');
  return answerOf(() => frame.contentWindow, url, state, seconds, (fail) => {
    frame.hidden = true;
    frame.onload = () => setTimeout(fail, GRACE, 'frame_refused', 'no answer: callbacks? frame-src?');
    frame.src = url.href;
    // Not in the body: that may not be there yet, or be written anew meanwhile.
    document.documentElement.append(frame);
    return () => frame.remove();
  });
}

/** Opens the window at once, as browsers allow it only within a click; where it goes is known later. */
export function openPopup(): Window {
  const popup = open('', 'tenure:login', 'popup,width=480,height=680');
  if (!popup) throw new TenureError('popup_blocked', 'log in within a click');
  return popup;
}

export function askPopup(popup: Window, url: URL, state: string, seconds: number): Promise<URLSearchParams> {
  return answerOf(() => popup, url, state, seconds, (fail) => {
    popup.location.replace(url.href);
    const watch = setInterval(() => popup.closed && fail('popup_closed', 'the window was closed'), 500);
    return () => {
      clearInterval(watch);
      popup.close();
    };
  });
}
