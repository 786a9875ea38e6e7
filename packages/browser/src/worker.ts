/** The worker's script, for pages that must serve it themselves: refresh tokens live in here, out of reach of the page. */
import { keeping, type Order } from './keeper.ts';

interface Message {
  origin: string;
  /** Absent: only whether the script runs is asked. */
  order?: Order;
}

/** As in `keeping`, nothing from outside may be used. */
export function serve({ keeper, memoryTokens }: ReturnType<typeof keeping>) {
  let keep: ReturnType<typeof keeper> | undefined;
  self.addEventListener('message', ({ data: { origin, order }, ports: [port] }: MessageEvent<Message>) => {
    if (!order) return port?.postMessage({});
    // The first order says whose tokens these are; a later one cannot change it.
    keep ??= keeper(memoryTokens(), origin);
    keep(order).then(
      (answer) => port?.postMessage({ answer }),
      (error: unknown) => port?.postMessage({ failure: String(error) }),
    );
  });
}
