import type { Io } from './io.js';

/** An {@link Io} without a terminal that keeps what is written. */
export interface RecordedIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
  interrupt(): void;
}

/** Makes an {@link Io} for tests: no terminal, no colours, nobody to ask unless `answer` is given. */
export function recordedIo(
  options: {
    readonly cwd?: string;
    readonly env?: Io['env'];
    readonly answer?: string;
    readonly terminal?: boolean;
  } = {}
): RecordedIo {
  const written = { out: '', err: '' };
  const controller = new AbortController();
  const terminal = options.terminal === true;
  return {
    stdout: { write: (text: string) => void (written.out += text) },
    stderr: { write: (text: string) => void (written.err += text) },
    cwd: options.cwd ?? '/',
    env: options.env ?? {},
    terminal: { stdin: options.answer !== undefined, stdout: terminal, stderr: terminal },
    columns: terminal ? 100 : undefined,
    interrupted: controller.signal,
    ask: () => Promise.resolve(options.answer ?? null),
    out: () => written.out,
    err: () => written.err,
    interrupt: () => controller.abort(),
  };
}
