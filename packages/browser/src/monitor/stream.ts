/** The stream of a session's events, read with `fetch`, since `EventSource` sends no header. */
import { isStatus, type WireStatus } from './facts.ts';
import type { Wire } from './wire.ts';

/** The server says something every 15 s. Longer silence is a dead connection. */
const SILENCE = 45_000;
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 60_000;

/**
 * Follows the stream until the session is over, nothing proves it any more, or `signal` ends it.
 * `broke` is told when a connection is lost.
 */
export async function follow(wire: Wire, heard: (status: WireStatus) => void, broke: () => void, signal: AbortSignal): Promise<void> {
  let pause = FIRST_PAUSE;
  let last: string | undefined;
  while (!signal.aborted) {
    const connection = new AbortController();
    const opened = await wire.open(AbortSignal.any([signal, connection.signal]), last);
    if ('response' in opened) {
      pause = FIRST_PAUSE;
      const over = await read(opened.response, () => connection.abort(), (id, status) => {
        last = id;
        heard(status);
      });
      if (over || signal.aborted) return;
      broke();
    } else if (opened.why !== 'unreachable') {
      return;
    }
    const asked = 'why' in opened ? (opened.retryAfter ?? 0) * 1000 : 0;
    await sleep(Math.max(pause, asked), signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** Whether the session is over. */
async function read(response: Response, giveUp: () => void, event: (id: string, status: WireStatus) => void): Promise<boolean> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    while (reader) {
      const watchdog = setTimeout(giveUp, SILENCE);
      const { done, value } = await reader.read().finally(() => clearTimeout(watchdog));
      if (done) return false;
      const blocks = (text + value).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [id, data] = [field(block, 'id'), field(block, 'data')];
        const status: unknown = data && JSON.parse(data);
        if (!isStatus(status)) continue;
        event(id ?? '', status);
        if (!status.active) return true;
      }
    }
  } catch {
    // Broken off, or not a stream: whoever follows comes again.
  }
  return false;
}

const field = (block: string, name: string) =>
  block.split('\n').find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);

const sleep = (milliseconds: number, signal: AbortSignal) =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', resolve);
  });
