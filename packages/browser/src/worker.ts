/** The worker's script: refresh tokens live in here, out of reach of the page's scripts. */
import { keeper, memoryTokens, type Order } from './keeper.ts';

let keep: ReturnType<typeof keeper> | undefined;

interface Message {
  origin: string;
  /** Absent: only whether the script runs is asked. */
  order?: Order;
}

self.addEventListener('message', ({ data: { origin, order }, ports: [port] }: MessageEvent<Message>) => {
  if (!order) return port?.postMessage({});
  // The first order says whose tokens these are; a later one cannot change it.
  keep ??= keeper(memoryTokens(), origin);
  keep(order).then(
    (answer) => port?.postMessage({ answer }),
    (error: unknown) => port?.postMessage({ failure: error instanceof Error ? error.message : String(error) }),
  );
});
