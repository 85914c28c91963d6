import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import type { JS } from '@duckdb/node-api';

import type { Call } from '../ports/call.js';
import { PortError } from '../ports/port-error.js';

/** How much of the machine one data activity may use. */
export interface EngineOptions {
  /** Memory of the engine; what does not fit is spilled to the system's temporary folder. Default `1GiB`. */
  readonly memoryLimit?: string;
  /** Threads of the engine. Default: all cores, at most 4. */
  readonly threads?: number;
}

/** One row of an answer. Whole numbers arrive as numbers: identifiers are always selected as text. */
export interface EngineRow {
  readonly [column: string]: JS;
}

/** An open engine: one connection to a private in-memory database. */
export interface Engine {
  /** Runs one statement and returns its rows; throws PortError (see {@link withEngine}). */
  readonly rows: (sql: string) => Promise<readonly EngineRow[]>;
  /** Ends everything and removes spilled files. Safe to call twice. */
  readonly close: () => void;
}

const INTERRUPT_EVERY_MS = 50;

/**
 * The engine, when the first data are read: loading it takes as long as half of a worker's start, and most workers never
 * read data. Node loads it once. A retry may meet a machine that has it: so it is the fault of this one.
 */
async function loadDuckDB(): Promise<typeof import('@duckdb/node-api')> {
  try {
    return await import('@duckdb/node-api');
  } catch (cause) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
    throw new PortError(
      'ServiceFault',
      'reading data needs the package @duckdb/node-api, which cannot be loaded on this machine: install the packages of the ' +
        'worker again with "npm ci" on the system that it runs on (it has a native part for each; --omit=optional leaves that ' +
        `out), then restart the worker (${reason})`,
      { cause }
    );
  }
}

/**
 * Opens a DuckDB engine that reads local files only: extensions (and with them the network) are neither loaded nor
 * installed, the session's time zone is UTC, and its settings are locked. Aborting `call.signal` interrupts the
 * running statement. The caller closes it; {@link withEngine} does that by itself.
 */
export async function openEngine(options: EngineOptions = {}, call?: Call): Promise<Engine> {
  requireWanted(call);
  const { DuckDBInstance } = await loadDuckDB();
  const spillFolder = mkdtempSync(join(tmpdir(), `retempo-data-${process.pid}-`));
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    memory_limit: options.memoryLimit ?? '1GiB',
    temp_directory: spillFolder,
    threads: String(options.threads ?? Math.min(4, availableParallelism())),
  }).catch((cause: unknown) => {
    rmSync(spillFolder, { recursive: true, force: true });
    const limit = options.memoryLimit ?? 'the default memory limit';
    throw new PortError('InvalidSpec', `the data engine cannot start with ${limit}: ${String(cause)}`, { cause });
  });
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'`);
  await connection.run(`SET lock_configuration = true`);

  // An interrupt that arrives between two statements is lost, so it is repeated until the engine is closed.
  let interrupting: NodeJS.Timeout | undefined;
  const interrupt = () => {
    connection.interrupt();
    interrupting ??= setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS);
  };
  call?.signal.addEventListener('abort', interrupt);

  return {
    rows: async (sql) => {
      requireWanted(call);
      try {
        const reader = await connection.runAndReadAll(sql);
        return reader.getRowObjectsJS().map(withPlainNumbers);
      } catch (error) {
        throw toPortError(error, call);
      }
    },
    close: () => {
      call?.signal.removeEventListener('abort', interrupt);
      clearInterval(interrupting);
      connection.closeSync();
      instance.closeSync();
      rmSync(spillFolder, { recursive: true, force: true });
    },
  };
}

/**
 * Runs `body` with an engine that is closed whatever happens.
 *
 * @throws PortError `Cancelled` or `DeadlineExceeded` when the call was aborted, `InvalidSpec` when the data cannot be
 *   read as they are, `ServiceFault` when the machine failed (disk, memory, an engine that cannot be loaded).
 */
export async function withEngine<T>(
  options: EngineOptions,
  call: Call | undefined,
  body: (engine: Engine) => Promise<T>
): Promise<T> {
  const engine = await openEngine(options, call);
  try {
    return await body(engine);
  } finally {
    engine.close();
  }
}

function requireWanted(call: Call | undefined): void {
  if (call?.signal.aborted === true) throw abortError(call);
}

function abortError(call: Call): PortError {
  return Date.now() >= call.deadlineMs
    ? new PortError('DeadlineExceeded', 'reading the data took longer than the caller could wait')
    : new PortError('Cancelled', 'reading the data was cancelled');
}

function toPortError(error: unknown, call: Call | undefined): PortError {
  if (call?.signal.aborted === true) return abortError(call);
  const text = error instanceof Error ? error.message : String(error);
  const firstLines = text.split('\n').slice(0, 2).join(' ').slice(0, 400);
  if (/^Out of Memory/i.test(text)) {
    return new PortError(
      'ServiceFault',
      `the data engine ran out of memory: give it a higher memoryLimit (${firstLines})`,
      {
        cause: error,
      }
    );
  }
  // Everything about the content of files and statements; what is left is the machine's own trouble.
  const aboutTheData = /^(Conversion|Invalid Input|Binder|Parser|Catalog|Out of Range|Mismatch Type|Not implemented)/i;
  const errorClass = aboutTheData.test(text) ? 'InvalidSpec' : 'ServiceFault';
  return new PortError(errorClass, `the data could not be read: ${firstLines}`, { cause: error });
}

function withPlainNumbers(row: Record<string, JS>): EngineRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value])
  );
}

/** A whole or fractional number of a row. Throws on anything else: an absent count must never read as 0. */
export function numberOf(row: EngineRow | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value === 'number') return value;
  throw new PortError('ServiceFault', `the data engine gave no number for ${column}`);
}

/** A number of a row, or null where the engine has none (such as the minimum of nothing). */
export function numberOrNull(row: EngineRow | undefined, column: string): number | null {
  return row?.[column] === null ? null : numberOf(row, column);
}

/** A text of a row. Throws on anything else. */
export function textOf(row: EngineRow | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value === 'string') return value;
  throw new PortError('ServiceFault', `the data engine gave no text for ${column}`);
}
