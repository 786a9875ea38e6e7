// Programs that a test file started end with it, also when it is ended itself: a file that takes too long is
// (`--test-timeout`), and would leave them behind.
import { spawn } from 'node:child_process';

const living = new Set();

export function start(program, args, options) {
  const child = spawn(program, args, options);
  living.add(child);
  child.once('exit', () => living.delete(child));
  return child;
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    for (const child of living) child.kill('SIGKILL');
    // As whoever does not listen to it ends.
    process.kill(process.pid, signal);
  });
}
