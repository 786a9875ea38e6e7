import { keeping, localTokens, type KeptAnswer, type Order } from './keeper.ts';
import { serve } from './worker.ts';

const { keeper, memoryTokens } = keeping();

/** Where the refresh tokens are, and which there are. */
export interface Vault {
  order(order: Order): Promise<KeptAnswer | undefined>;
  /** The names under which there is one. */
  names(): string[];
  /** Whether all tabs have the same ones. */
  shared: boolean;
  close(): void;
}

export interface VaultOptions {
  origin: string;
  /** Set: in local storage, under keys with this prefix. */
  local?: string | undefined;
  /** Without one the page keeps them itself: enough where none are asked for. */
  worker: boolean;
  workerUrl?: string | undefined;
}

export function openVault({ origin, local, worker: wanted, workerUrl }: VaultOptions): Vault {
  if (local !== undefined) {
    const tokens = localTokens(local);
    return { order: keeper(tokens, origin), names: () => tokens.all().map(([name]) => name), shared: true, close: () => undefined };
  }
  const names = new Set<string>();
  const remember = (order: Order, answer: KeptAnswer | undefined) => {
    if (order.do === 'send') names[answer?.kept ? 'add' : 'delete'](order.name);
    else for (const name of names) if (name !== order.except) names.delete(name);
    return answer;
  };
  let started: Promise<Worker | undefined> | undefined;
  const here = keeper(memoryTokens(), origin);
  return {
    // The worker starts with the first order: most pages of a visitor who is not signed in need none.
    async order(order) {
      if (order.do !== 'send' && !names.size) return undefined;
      const worker = wanted && (await (started ??= startWorker(workerUrl)));
      return remember(order, await (worker ? askWorker(worker, origin, order) : here(order)));
    },
    names: () => [...names],
    shared: false,
    close: () => void started?.then((worker) => worker?.terminate()),
  };
}

/** `undefined` where the page's policy forbids such a worker: then the page itself keeps the tokens. */
async function startWorker(workerUrl: string | undefined): Promise<Worker | undefined> {
  const url = workerUrl ?? URL.createObjectURL(new Blob([`(${serve})((${keeping})())`], { type: 'text/javascript' }));
  try {
    const worker = new Worker(url);
    const works = await new Promise<boolean>((resolve) => {
      worker.onerror = () => resolve(false);
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve(true);
      worker.postMessage({}, [port2]);
    });
    if (works) return worker;
    worker.terminate();
  } catch {
    // The constructor throws at once in some browsers.
  }
  console.warn('Tenure: no worker for refresh tokens: see workerUrl');
  return undefined;
}

function askWorker(worker: Worker, origin: string, order: Order): Promise<KeptAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<{ answer?: KeptAnswer; failure?: string }>) => {
      port1.close();
      if (data.failure === undefined) resolve(data.answer);
      else reject(new TypeError(data.failure));
    };
    worker.postMessage({ origin, order }, [port2]);
  });
}
