import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { processStart } from './processes.js';

/** A program that ends when the process that started it ends, however that happens. */
export interface GuardedProcess {
  readonly pid: number;
  /** Settles when the program has ended: its exit code or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  /** True until the program has ended. */
  isRunning(): boolean;
  /** Sends a signal to the program itself. Throws when it has ended. */
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after the grace time; returns when the program has ended. */
  stop(): Promise<void>;
}

/**
 * Starts a program under a guardian process. Neither keeps the event loop of the caller alive.
 *
 * Throws an Error when the program could not be started.
 */
export async function startGuarded(options: {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Standard output and error of the program are appended here. */
  readonly logFile: string;
  /** Time between SIGTERM and SIGKILL, in milliseconds. */
  readonly graceMs: number;
}): Promise<GuardedProcess> {
  const guardian = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('./guardian.js', import.meta.url)),
      options.logFile,
      String(options.graceMs),
      options.program,
      ...options.arguments,
    ],
    // Its own process group: Ctrl-C in a terminal must reach the host, which drains its workers, before the server ends.
    { detached: true, stdio: ['pipe', 'pipe', 'inherit'] }
  );
  const guardianEnded = new Promise<void>((resolve) => {
    guardian.once('exit', () => resolve());
    guardian.once('error', () => resolve());
  });
  guardian.stdin.on('error', () => undefined);
  const lines = createInterface({ input: guardian.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  const said = (first.done === true ? {} : JSON.parse(first.value)) as {
    readonly pid?: number;
    readonly error?: string;
  };
  if (said.pid === undefined) throw new Error(said.error ?? 'the guardian process ended before the program started');
  const { pid } = said;
  const start = await processStart(pid);

  let running = true;
  const ended = (async () => {
    const last = await lines.next();
    running = false;
    if (last.done !== true) return (JSON.parse(last.value) as { readonly exit: number | string | null }).exit;
    // The guardian was killed: the program lost its guard and must not outlive it.
    if (start !== null && (await processStart(pid)) === start) process.kill(pid, 'SIGKILL');
    return 'guardian lost';
  })();
  for (const stream of [guardian.stdin, guardian.stdout] as { unref?: () => void }[]) stream.unref?.();
  guardian.unref();

  return {
    pid,
    ended,
    isRunning: () => running,
    signal(signal) {
      // Once it has ended its id may belong to somebody else.
      if (!running) throw new Error(`process ${pid} has ended; start a new one`);
      process.kill(pid, signal);
    },
    async stop() {
      // From here on the caller waits: without the reference its event loop might run empty meanwhile.
      guardian.ref();
      guardian.stdin.end();
      await ended;
      await guardianEnded;
    },
  };
}
