import { createInterface } from 'node:readline/promises';
import { isatty } from 'node:tty';
import type { Io } from './io.js';

/**
 * The {@link Io} of this process. The first SIGINT, SIGTERM or SIGHUP asks long commands to end; a second one ends the
 * process at once.
 */
export function processIo(): Io {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  // A reader that has gone (`retempo status | head -1`) is no error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    cwd: process.cwd(),
    env: process.env,
    terminal: {
      stdin: isatty(0),
      stdout: isatty(1),
      stderr: isatty(2),
    },
    columns: process.stdout.columns,
    interrupted: controller.signal,
    async ask(question) {
      if (!isatty(0)) return null;
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return await lines.question(question, { signal: controller.signal });
      } catch {
        return null;
      } finally {
        lines.close();
      }
    },
  };
}
