import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import type { Json } from '@retempo/workflows/contracts';

const progressWindowBytes = 64 * 1024;
const progressKeys = ['progress', 'step', 'loss', 'epoch'];
const maxProgressEntries = 16;
const maxProgressText = 200;

/** Last bytes of a file as text; empty when there is no such file. A character cut in half becomes U+FFFD. */
function tailOf(path: string, maxBytes: number): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const size = fstatSync(descriptor).size;
    const buffer = Buffer.alloc(Math.min(size, maxBytes));
    const read = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.subarray(0, read).toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}

/** Replaces control characters, except newline and tab, by U+FFFD: a terminal that prints the text stays unharmed. */
export const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  text.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]/g, '\uFFFD');

/** Cuts text to its last `maxBytes` bytes of UTF-8, without half characters. */
export function lastBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= maxBytes) return text;
  let start = bytes.length - maxBytes;
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString('utf8');
}

function safeEntry(value: unknown): Json | undefined {
  if (typeof value === 'string') return printable(value.slice(0, maxProgressText));
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'boolean' ? value : undefined;
}

/**
 * The progress in one line of a program's output, or null when the line is log. A progress line is a JSON object with
 * `progress`, `step`, `loss` or `epoch`. Of a hostile line remain at most 16 flat entries with short printable texts.
 */
export function parseProgress(line: string): Json | null {
  if (!line.trimStart().startsWith('{')) return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !progressKeys.some((key) => Object.hasOwn(value, key)))
    return null;
  const entries = Object.entries(value)
    .filter(([name]) => /^[A-Za-z][A-Za-z0-9_.-]{0,39}$/.test(name))
    .flatMap(([name, entry]) => {
      const safe = safeEntry(entry);
      return safe === undefined ? [] : [[name, safe] as const];
    });
  entries.sort(([a], [b]) => Number(progressKeys.includes(b)) - Number(progressKeys.includes(a)));
  return entries.length === 0 ? null : Object.fromEntries(entries.slice(0, maxProgressEntries));
}

/** A program that still writes after so many copies writes faster than can be copied. */
const mostCopyRounds = 100;

const rotatedPath = (path: string): string => `${path}.1`;

/** Newest progress in the last 64 KiB of a program's output, or null. Works while nobody supervises the program. */
export function latestProgress(stdout: string): Json | null {
  for (const path of [stdout, rotatedPath(stdout)]) {
    const lines = tailOf(path, progressWindowBytes).split('\n');
    // The last piece is a line still being written, or empty.
    for (let index = lines.length - 2; index >= 0; index -= 1) {
      const progress = parseProgress(lines[index] ?? '');
      if (progress !== null) return progress;
    }
  }
  return null;
}

/** End of what a program wrote, for people: at most `maxBytes` bytes, errors before ordinary output. */
export function logTail(paths: { readonly stdout: string; readonly stderr: string }, maxBytes: number): string {
  for (const path of [paths.stderr, paths.stdout]) {
    const newest = tailOf(path, maxBytes);
    const text = newest.trim() === '' ? tailOf(rotatedPath(path), maxBytes) : newest;
    if (text.trim() !== '') return lastBytes(printable(text).trim(), maxBytes);
  }
  return '';
}

/**
 * Rotates a log that has grown beyond `maxBytes`: its last `maxBytes`, and at most half as much again that is written
 * meanwhile, become `<path>.1`, and the file is emptied in place. The program appends, so it writes on at the new end. What
 * it writes in the moment between copy and emptying is lost, and more of a program that writes faster than can be copied.
 */
export function rotateLog(path: string, maxBytes: number): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return;
  try {
    copyTail(path, maxBytes);
  } catch {
    // No room for the older half: giving it up is what frees the disk.
    rmSync(rotatedPath(path), { force: true });
  }
  truncateSync(path, 0);
}

function copyTail(path: string, maxBytes: number): void {
  const descriptor = openSync(path, 'r');
  const target = openSync(rotatedPath(path), 'w', 0o600);
  try {
    const buffer = Buffer.alloc(64 * 1024);
    // Where in the log the copy begins and ends; nothing is copied yet.
    let [from, at] = [-Infinity, -1];
    // What is written during the copy is copied too: often it is why the program ends.
    for (let round = 0; round < mostCopyRounds; round += 1) {
      const { size } = fstatSync(descriptor);
      if (size === at) return;
      if (size - from > 1.5 * maxBytes) {
        from = at = size - maxBytes;
        ftruncateSync(target);
      }
      while (at < size) {
        const read = readSync(descriptor, buffer, 0, Math.min(buffer.length, size - at), at);
        if (read === 0) return;
        for (let done = 0; done < read;) done += writeSync(target, buffer, done, read - done, at + done - from);
        at += read;
      }
    }
  } finally {
    closeSync(target);
    closeSync(descriptor);
  }
}
