import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ErrorClass } from '@retempo/workflows/contracts';
import { isPortError, type ArtifactStore, type Call } from '../ports/index.js';

/** One test of a suite, for any test runner. */
export interface ConformanceCase {
  readonly title: string;
  /** Rejects when the store does not conform. The store is open, empty, and used by nobody else. */
  readonly run: (store: ArtifactStore) => Promise<void>;
}

/** How another process opens the same store: it imports `module` and calls its function `open` with `options`. */
export interface ElsewhereStore {
  /** URL of an ES module that plain Node can import. */
  readonly module: string;
  /** Name of an exported function that returns the store, or a promise of it. */
  readonly open: string;
  /** JSON-safe argument. */
  readonly options: unknown;
}

/** What a suite is told about the store it tests. */
export interface ArtifactStoreSuite {
  /** Stands in every title. */
  readonly name: string;
  /** Tells how to open a store from another process; without it the cases that kill processes are left out. */
  readonly elsewhere?: (store: ArtifactStore) => ElsewhereStore;
}

/** A call that may take a minute. */
export const call = (options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {}): Call => ({
  signal: options.signal ?? new AbortController().signal,
  deadlineMs: Date.now() + (options.timeoutMs ?? 60_000),
});

/** Bytes that no compression or deduplication makes smaller. */
export const noise = (size: number): Uint8Array => randomBytes(size);

export const text = (value: string): Uint8Array => Buffer.from(value);

/** Collects a stream. */
export async function collectBytes(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export async function collectAll<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Whole content of a key. */
export const contentOf = (store: ArtifactStore, key: string): Promise<Uint8Array> =>
  collectBytes(store.read(key, {}, call()));

/** Asserts that something is refused with one of the classes, and with one line that says what to do next. */
export async function refuses(
  work: Promise<unknown> | (() => Promise<unknown>),
  classes: ErrorClass | readonly ErrorClass[],
  what: string
): Promise<void> {
  let result: unknown;
  try {
    result = await (typeof work === 'function' ? work() : work);
  } catch (error) {
    assert.ok(isPortError(error), `${what}: threw ${String(error)}, which is no PortError`);
    assert.ok(
      [classes].flat().includes(error.class),
      `${what}: threw ${error.class} (${error.message}), expected ${String(classes)}`
    );
    assert.ok(error.message.length > 0 && !error.message.includes('\n'), `${what}: the message is not one line`);
    assert.match(error.message, /[;,] \w/, `${what}: the message names no next step`);
    return;
  }
  assert.fail(`${what}: was accepted with ${JSON.stringify(result)}, expected class ${String(classes)}`);
}

/** Runs `work` in a temporary folder that is removed afterwards. */
export async function inTemporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'retempo-conformance-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same store without copies inside it: what goes from one to the other passes through the caller. */
export function withoutCopy(store: ArtifactStore): ArtifactStore {
  const other: { -readonly [name in keyof ArtifactStore]: ArtifactStore[name] } = { ...store };
  delete other.copy;
  return other;
}

/** Replaces an object behind the back of everything that reads it. */
export async function overwrite(store: ArtifactStore, key: string, bytes: Uint8Array): Promise<void> {
  await store.delete(key, call());
  await store.put(key, bytes, { ifAbsent: true }, call());
}
