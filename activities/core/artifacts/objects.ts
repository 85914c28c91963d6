import { createHash } from 'node:crypto';
import { isPortError, PortError, type ArtifactStore, type Call, type Part, type UploadRef } from '../ports/index.js';
import { checkCall, createBufferPool } from './calls.js';
import { digestPart } from './digest.js';
import type { ManifestFile } from './manifest.js';
import { partCount, partRange, partSizeBytes } from './part-size.js';

/**
 * Parts in flight when nothing else is said: 2 where there is no latency to hide, so that a transfer stays below 96 MiB;
 * 4 over a network. Memory of a transfer is at most about twice this times the part size, whatever it moves.
 */
export const lanesOf = (store: ArtifactStore): number => (store.scheme === 'file' ? 2 : 4);

/** True for a PortError of the class. */
export const isClass = (error: unknown, errorClass: PortError['class']): boolean =>
  isPortError(error) && error.class === errorClass;

/**
 * Reads bytes `[from, to)` of an object into `target` and hashes them on the way; class `Integrity` when the store gives
 * fewer or more.
 */
export async function readInto(
  store: ArtifactStore,
  input: { readonly key: string; readonly from: number; readonly to: number; readonly target: Uint8Array },
  call: Call
): Promise<{ readonly bytes: Uint8Array; readonly digest: string }> {
  const { key, from, to, target } = input;
  const hash = createHash('sha256');
  let at = 0;
  for await (const chunk of store.read(key, { from, to }, call)) {
    if (at + chunk.length > to - from)
      throw new PortError(
        'Integrity',
        `"${key}" gave more bytes than were asked for; look at the store, then repeat the call`
      );
    target.set(chunk, at);
    hash.update(chunk);
    at += chunk.length;
  }
  if (at < to - from)
    throw new PortError(
      'Integrity',
      `"${key}" ends after ${from + at} bytes, expected ${to} or more; restore it or make it again`
    );
  return { bytes: target.subarray(0, at), digest: `sha256:${hash.digest('hex')}` };
}

/** Reads a whole small object, or null when there is none; class `Integrity` when it is larger than `limitBytes`. */
export async function readSmall(
  store: ArtifactStore,
  key: string,
  limitBytes: number,
  call: Call
): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of store.read(key, {}, call)) {
      size += chunk.length;
      if (size > limitBytes)
        throw new PortError(
          'Integrity',
          `"${key}" is larger than ${limitBytes} bytes; it is not what belongs there, delete it and make it again`
        );
      chunks.push(chunk);
    }
  } catch (error) {
    if (isClass(error, 'NotFound')) return null;
    throw error;
  }
  return Buffer.concat(chunks, size);
}

/** Digest of an object as the store gives it now, or null when there is none. */
export async function inspectObject(
  store: ArtifactStore,
  key: string,
  call: Call
): Promise<{ readonly digest: string } | null> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of store.read(key, {}, call)) hash.update(chunk);
  } catch (error) {
    if (isClass(error, 'NotFound')) return null;
    throw error;
  }
  return { digest: `sha256:${hash.digest('hex')}` };
}

/**
 * Runs `write`, which creates a key exclusively. When it fails because an earlier try or a twin was there first, the bytes
 * under the key decide: the expected ones are as good as written; others are unpublished remains, removed and written once
 * more.
 */
export async function writeOnce(
  store: ArtifactStore,
  key: string,
  expected: { readonly digest: string },
  call: Call,
  write: () => Promise<unknown>
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await write();
      return;
    } catch (error) {
      if (!(['Conflict', 'UnknownOutcome', 'NotFound'] as const).some((known) => isClass(error, known))) throw error;
      const found = await inspectObject(store, key, call);
      if (found?.digest === expected.digest) return;
      if (attempt === 2 || isClass(error, 'NotFound')) throw error;
      if (found !== null) await store.delete(key, call);
    }
  }
}

/** What {@link uploadObject} sends. */
export interface UploadSource {
  readonly store: ArtifactStore;
  readonly key: string;
  readonly size: number;
  /** Digest of a part when it is known before the bytes are read; such parts are not even read when confirmed. */
  known?(number: number): string | undefined;
  /** Fills `target`, which has the size of the part, with its bytes. Called in the order of the parts. */
  fill(number: number, target: Uint8Array): Promise<void>;
  readonly concurrency?: number;
}

async function openUpload({ store, key, size }: UploadSource, call: Call): Promise<UploadRef> {
  if (store.capabilities.resume !== 'none') {
    for await (const upload of store.upload.open(key, call)) if (upload.key === key) return upload;
  }
  return store.upload.begin(key, size, call);
}

/**
 * Sends an object part by part; parts that an earlier try has sent are compared by digest and not sent again. At most
 * `concurrency` parts are in memory. On an error that a repetition can mend the upload stays open; otherwise it is
 * aborted.
 *
 * @returns The parts, in order. Class `Conflict` when the key exists.
 */
export async function uploadObject(source: UploadSource, call: Call): Promise<readonly Part[]> {
  const { store, key, size, concurrency = lanesOf(store) } = source;
  const count = partCount(size);
  const upload = await openUpload(source, call);
  const confirmed = new Map((await store.upload.confirmed(upload, call)).map((part) => [part.number, part]));
  const pool = createBufferPool(concurrency, Math.min(size, partSizeBytes(size)));
  const parts: Part[] = [];
  const inFlight = new Set<Promise<void>>();
  const failures: unknown[] = [];

  const send = async (number: number, bytes: Uint8Array): Promise<void> => {
    const before = confirmed.get(number);
    const known = source.known?.(number);
    const same = before !== undefined && before.digest === (await digestPart(bytes));
    const part = same ? before : await store.upload.part(upload, number, bytes, call);
    if (known !== undefined && part.digest !== known) {
      throw new PortError(
        'Integrity',
        `part ${number} for "${key}" has digest ${part.digest}, expected ${known}; look at the store and the way to it, then repeat the call`
      );
    }
    parts.push(part);
  };

  try {
    for (let number = 1; number <= count && failures.length === 0; number++) {
      checkCall(call, `the upload of "${key}"`);
      const before = confirmed.get(number);
      if (before !== undefined && before.digest === source.known?.(number)) {
        parts.push(before);
        continue;
      }
      const buffer = await pool.take();
      const { from, to } = partRange(size, number);
      const bytes = buffer.subarray(0, to - from);
      await source.fill(number, bytes);
      const task = send(number, bytes)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => {
          pool.give(buffer);
          inFlight.delete(task);
        });
      inFlight.add(task);
    }
    await Promise.all(inFlight);
    if (failures.length > 0) throw failures[0];
    parts.sort((a, b) => a.number - b.number);
    await store.upload.complete(upload, parts, call);
    return parts;
  } catch (error) {
    await Promise.all(inFlight);
    const final = ['Conflict', 'Integrity', 'InvalidSpec', 'QuotaExceeded', 'AuthDenied'] as const;
    if (final.some((errorClass) => isClass(error, errorClass))) {
      await store.upload.abort(upload, call).catch(() => undefined);
    }
    throw error;
  }
}

/** Entry of a manifest for a file whose bytes went through {@link uploadObject} or are known. */
export const manifestFile = (
  path: string,
  size: number,
  digest: string,
  parts: readonly { readonly size: number; readonly digest: string }[]
): ManifestFile => ({ path, size, digest, parts: parts.map((part) => ({ size: part.size, digest: part.digest })) });
