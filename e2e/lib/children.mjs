// Programs that a test file started end with it, also when it is ended itself: a file that takes too long is
// (`--test-timeout`), and would leave them behind.
import { spawn } from 'node:child_process';

const living = new Set();

export function start(program, args, options) {
  return watched(spawn(program, args, options), options.detached);
}

// `leads`: with the group of processes that it leads.
export function watched(child, leads = false) {
  const one = { kill: (signal) => (leads ? process.kill(-child.pid, signal) : child.kill(signal)) };
  living.add(one);
  child.once('exit', () => living.delete(one));
  return child;
}

for (const [signal, code] of [['SIGTERM', 143], ['SIGINT', 130]]) {
  process.once(signal, () => {
    for (const child of living) child.kill('SIGKILL');
    // Playwright ends its browsers when this process exits.
    process.exit(code);
  });
}
