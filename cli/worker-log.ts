import { DefaultLogger, Runtime, type LogEntry, type LogLevel } from '@temporalio/worker';
import { CliError, exitCode, messageOf } from './failure.js';
import type { Io } from './io.js';
import { harmless } from './text/style.js';

/** Said by every worker that has only activities; nothing is wrong with it. */
const expected = /^No (?:workflows|activities|Nexus services) registered/;

let installed = false;

/**
 * Sends what the workers of this process log to stderr, one line each: warnings and errors, with `verbose` all of it.
 * `metricsPort` serves Prometheus metrics on `http://127.0.0.1:<port>/metrics`. Counts once per process, and has to come
 * before the first connection of a worker. Throws a {@link CliError} when that port is taken.
 */
export function installWorkerLog(
  io: Io,
  options: { readonly verbose: boolean; readonly metricsPort: number | null }
): void {
  if (installed) return;
  const level: LogLevel = options.verbose ? 'INFO' : 'WARN';
  const { metricsPort } = options;
  try {
    Runtime.install({
      logger: new DefaultLogger(level, (entry) => {
        if (!expected.test(entry.message)) io.stderr.write(`${logLine(entry, options.verbose)}\n`);
      }),
      telemetryOptions: {
        logging: { filter: { core: level, other: 'ERROR' }, forward: {} },
        ...(metricsPort === null ? {} : { metrics: { prometheus: { bindAddress: `127.0.0.1:${metricsPort}` } } }),
      },
      // Ctrl-C and SIGTERM are heard once, by the command, which ends things in order.
      shutdownSignals: [],
    });
  } catch (error) {
    throw new CliError(
      exitCode.failed,
      'portInUse',
      `worker metrics cannot be served at http://127.0.0.1:${metricsPort}/metrics (${messageOf(error)}); ` +
        'end what listens there, or choose another metrics.port in retempo.yaml, or metrics: none',
      error
    );
  }
  installed = true;
}

/** Keys of the SDK's own that say what the line says already. */
const silent: readonly string[] = ['sdkComponent', 'namespace', 'taskToken', 'isLocal'];

function logLine({ level, timestampNanos, message, meta }: LogEntry, verbose: boolean): string {
  const at = new Date(Number(timestampNanos / 1_000_000n)).toISOString().slice(11, 23);
  const facts = Object.entries(meta ?? {})
    .filter(([key, value]) => !silent.includes(key) && value !== undefined)
    .map(([key, value]) => `${key}=${factText(value, verbose)}`);
  return harmless(`${at} ${level.padEnd(5)} ${[message, ...facts].join('  ')}`);
}

const mostCharacters = 2_000;

function factText(value: unknown, verbose: boolean): string {
  if (value instanceof Error) {
    const text = verbose ? (value.stack ?? value.message) : (value.message.split('\n')[0] ?? '');
    return text.slice(0, mostCharacters);
  }
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))).slice(0, mostCharacters);
}
