import { CommanderError } from 'commander';
import { commands } from './commands/index.js';
import { exitCode, failureOf, messageOf } from './failure.js';
import type { Io } from './io.js';
import { buildProgram } from './program.js';
import type { Session } from './session.js';
import { harmless, styleFor } from './text/style.js';

/**
 * Runs one command and returns its exit code: 0 done, 1 refused or failed, 2 wrong arguments or configuration, 3 Temporal
 * or its workers are away. Never throws; an error is one message on stderr, and with `--json` also a document
 * `{ v: 1, error: { code, message, exitCode } }` on stdout.
 *
 * @param argv arguments without the program's own name, such as `['status', '--json']`.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let session: Session | undefined;
  let code: number = exitCode.ok;
  const program = buildProgram({
    io,
    commands,
    onSession: (opened) => (session = opened),
    onEnd: (ended) => (code = ended),
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    code = report(error, argv, io);
  }
  try {
    await session?.close();
  } catch (error) {
    code = Math.max(code, report(error, argv, io));
  }
  return code;
}

function report(error: unknown, argv: readonly string[], io: Io): number {
  const failure = failureOf(error);
  // Help and version end this way too; and commander has printed its own message already.
  if (failure.exitCode === 0) return 0;
  const style = styleFor(io.env, io.terminal.stderr);
  if (!(error instanceof CommanderError)) io.stderr.write(`${style.bad('error')}  ${harmless(failure.message)}\n`);
  if (argv.includes('--verbose')) io.stderr.write(`${traceOf(error)}\n`);
  if (argv.includes('--json')) {
    const { code, message } = failure;
    io.stdout.write(`${JSON.stringify({ v: 1, error: { code, message, exitCode: failure.exitCode } })}\n`);
  }
  return failure.exitCode;
}

function traceOf(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current !== undefined && parts.length < 10;) {
    parts.push(current instanceof Error ? (current.stack ?? current.message) : messageOf(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join('\ncaused by ');
}
