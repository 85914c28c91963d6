import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, readSync, statSync, unlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { VersionId } from '@retempo/workflows/contracts';

// One line per answered request, newline-delimited JSON. Lines are collected in memory and appended in the background: a slow
// or full disk never holds up an answer, it costs log lines, and those are counted.

const flushEveryMs = 100;
const maxPendingCharacters = 32 * 1024 * 1024;

export interface LogEntry {
  /** Request id from the body, null when the caller gave none. */
  readonly key: string | null;
  readonly version: VersionId;
  readonly revision: string;
  /** Arrival of the request, epoch milliseconds. */
  readonly atMs: number;
  readonly status: number;
  readonly prediction: number | null;
}

export interface RequestLog {
  readonly glob: string;
  add(entry: LogEntry): void;
  /** Resolves when everything added so far is in the file. */
  flush(): Promise<void>;
  /** Lines that were lost because the disk did not take them. */
  lost(): number;
  close(): Promise<void>;
}

const namePattern = /^requests-\d{13}-\d{4}\.ndjson$/;

const logFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => namePattern.test(name))
    .sort();

/** Cuts a last line that a crash has torn, so that every line of the file is JSON. */
function cutTornLine(path: string): void {
  const file = openSync(path, 'r+');
  try {
    const size = statSync(path).size;
    const block = Buffer.alloc(64 * 1024);
    let end = size;
    while (end > 0) {
      const from = Math.max(0, end - block.length);
      const read = readSync(file, block, 0, end - from, from);
      const newline = block.subarray(0, read).lastIndexOf(10);
      if (newline >= 0) {
        end = from + newline + 1;
        break;
      }
      end = from;
    }
    if (end < size) ftruncateSync(file, end);
  } finally {
    closeSync(file);
  }
}

function lineOf(entry: LogEntry, at: string): string {
  return `{"key":${JSON.stringify(entry.key)},"version":"${entry.version}","revision":"${entry.revision}","at":"${at}","status":${entry.status},"prediction":${entry.prediction ?? 'null'}}\n`;
}

/**
 * Opens the request log in `folder`: a new file per start and per `rotateBytes`; the oldest files go when all of them
 * exceed `keepBytes`.
 */
export function openRequestLog(
  folder: string,
  options: { readonly rotateBytes: number; readonly keepBytes: number; readonly onProblem: (message: string) => void }
): RequestLog {
  mkdirSync(folder, { recursive: true });
  const last = logFiles(folder).at(-1);
  try {
    if (last !== undefined) cutTornLine(join(folder, last));
  } catch (error) {
    // What is served next is written into a file of its own: a log that cannot be mended is no reason to serve nobody.
    options.onProblem(`the end of the request log ${last} may be torn: ${(error as Error).message}`);
  }

  let pending: string[] = [];
  let pendingCharacters = 0;
  let lost = 0;
  let file: FileHandle | undefined;
  let written = 0;
  let sequence = 0;
  let writing: Promise<void> = Promise.resolve();
  let stampMs = -1;
  let stamp = '';

  async function openNext(): Promise<FileHandle> {
    for (;;) {
      const newest = logFiles(folder).at(-1);
      // Names sort by age even when the clock was set back.
      const timeMs = Math.max(Date.now(), newest === undefined ? 0 : Number(newest.slice(9, 22)));
      const name = `requests-${String(timeMs).padStart(13, '0')}-${String(sequence++ % 10_000).padStart(4, '0')}.ndjson`;
      if (newest !== undefined && name <= newest) continue;
      return open(join(folder, name), 'wx');
    }
  }

  function dropOldest(): void {
    const files = logFiles(folder);
    const sizes = files.map((name) => statSync(join(folder, name)).size);
    let total = sizes.reduce((sum, size) => sum + size, 0);
    // Never reaches the newest file: it is empty.
    for (const [i, name] of files.entries()) {
      if (total <= options.keepBytes) return;
      unlinkSync(join(folder, name));
      total -= sizes[i] ?? 0;
    }
  }

  /** What cannot be removed costs disk, and no line of what is written now. */
  function tidy(): void {
    try {
      dropOldest();
    } catch (error) {
      options.onProblem(`request log: ${(error as Error).message}; old files stay`);
    }
  }

  async function writePending(): Promise<void> {
    if (pending.length === 0 && file !== undefined) return;
    const lines = pending;
    const bytes = Buffer.from(lines.join(''));
    pending = [];
    pendingCharacters = 0;
    /** Where the whole lines of the file end. */
    let whole = written;
    try {
      if (file === undefined || written >= options.rotateBytes) {
        await file?.close();
        file = undefined;
        file = await openNext();
        written = whole = 0;
        tidy();
      }
      for (let offset = 0; offset < bytes.length;) {
        const { bytesWritten } = await file.write(bytes, offset, bytes.length - offset, written);
        offset += bytesWritten;
        written += bytesWritten;
      }
    } catch (error) {
      lost += lines.length;
      options.onProblem(`request log: ${(error as Error).message}; ${lines.length} lines are lost`);
      // A half-written batch is taken back, so that the file stays readable line by line.
      await file?.truncate(whole).catch(() => undefined);
      written = whole;
    }
  }

  const flush = (): Promise<void> => (writing = writing.then(writePending));
  const timer = setInterval(() => {
    if (pending.length > 0) void flush();
  }, flushEveryMs);

  return {
    glob: join(folder, 'requests-*.ndjson'),
    add: (entry) => {
      if (pendingCharacters > maxPendingCharacters) {
        lost += 1;
        return;
      }
      if (entry.atMs !== stampMs) {
        stampMs = entry.atMs;
        stamp = new Date(stampMs).toISOString();
      }
      const line = lineOf(entry, stamp);
      pending.push(line);
      pendingCharacters += line.length;
    },
    flush,
    lost: () => lost,
    close: async () => {
      clearInterval(timer);
      await flush();
      await file?.close();
    },
  };
}
