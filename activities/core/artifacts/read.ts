import { createHash } from 'node:crypto';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { checkCall, createBufferPool, forEachLimited } from './calls.js';
import { isDigest } from './digest.js';
import { manifestName, maxManifestBytes, openManifest, type ManifestFile, type SealedManifest } from './manifest.js';
import { lanesOf, readSmall } from './objects.js';
import { partRange } from './part-size.js';
import type { Stores } from './stores.js';

/** An artifact, found in its store, with its believed manifest. */
export interface OpenArtifact {
  readonly store: ArtifactStore;
  /** Key of the folder, with the `/` at its end. */
  readonly folder: string;
  readonly sealed: SealedManifest;
}

/** Which artifact is meant, and the stores it may lie in. */
export interface ArtifactInput {
  readonly stores: Stores;
  readonly ref: ArtifactRef;
}

/** Finds an artifact and reads its manifest; nothing but the manifest is verified. See {@link readManifest}. */
export async function openArtifact({ stores, ref }: ArtifactInput, call: Call): Promise<OpenArtifact> {
  if (ref.v !== 1 || !isDigest(ref.digest) || !ref.uri.endsWith('/')) {
    throw new PortError(
      'InvalidSpec',
      `${JSON.stringify(ref).slice(0, 300)} is not a reference to an artifact; give it as sealing or copying returned it`
    );
  }
  const { store, key } = stores.resolve(ref.uri);
  const folder = `${key}/`;
  const text = await readSmall(store, folder + manifestName, maxManifestBytes, call);
  if (text === null) {
    throw new PortError(
      'NotFound',
      `there is no artifact at ${ref.uri}: it was never completed, or was deleted; make it again or restore it`
    );
  }
  const sealed = openManifest(text, ref.digest, ref.uri);
  if (sealed.bytes !== ref.bytes) {
    throw new PortError(
      'Integrity',
      `${ref.uri} holds ${sealed.bytes} bytes by its manifest, the reference says ${ref.bytes}; use the reference as it was returned`
    );
  }
  return { store, folder, sealed };
}

/**
 * Manifest of an artifact, believed only if it has the digest of the reference.
 *
 * @throws PortError `NotFound` without the artifact, `Integrity` when it is another manifest.
 */
export const readManifest = async (input: ArtifactInput, call: Call): Promise<SealedManifest> =>
  (await openArtifact(input, call)).sealed;

/** Compares the keys under an artifact's folder with its manifest; class `Integrity` for any that is missing or extra. */
export async function checkListing({ store, folder, sealed }: OpenArtifact, call: Call): Promise<void> {
  const expected = new Set([manifestName, ...sealed.manifest.files.map((file) => file.path)]);
  for await (const key of store.list(folder, call)) {
    const path = key.slice(folder.length);
    if (!expected.delete(path)) {
      throw new PortError(
        'Integrity',
        `${store.root}${key} is not in the manifest of the artifact; it is not used, look who put it there and remove it`
      );
    }
  }
  const [missing] = expected;
  if (missing !== undefined) {
    throw new PortError(
      'Integrity',
      `${store.root}${folder}${missing} is in the manifest but not in the store; restore it or make the artifact again`
    );
  }
}

/** One piece of a file. */
export interface ArtifactPiece {
  readonly file: ManifestFile;
  /** Place of `bytes` in the file. */
  readonly from: number;
  /** Valid until the consumer returns. */
  readonly bytes: Uint8Array;
}

/** Pieces are gathered to this many bytes, because writing what a network gives chunk by chunk costs most of the time. */
const pieceBytes = 1024 * 1024;

/**
 * Reads every byte of an artifact, at most `concurrency` parts at once, and gives it on. What was given on counts only
 * when this function returns: a part is compared with the manifest after its last piece.
 */
export async function readVerified(
  { store, folder, sealed }: OpenArtifact,
  call: Call,
  consume: (piece: ArtifactPiece) => Promise<void>,
  concurrency: number = lanesOf(store)
): Promise<void> {
  const jobs = sealed.manifest.files.flatMap((file) =>
    file.parts.map((part, index) => ({ file, digest: part.digest, number: index + 1 }))
  );
  const pool = createBufferPool(concurrency, pieceBytes);
  const differs = (key: string, how: string) =>
    new PortError('Integrity', `${store.root}${key} ${how}; the artifact is not used, restore it or make it again`);
  await forEachLimited(jobs, concurrency, async ({ file, digest, number }) => {
    checkCall(call, `reading ${store.root}${folder}`);
    const key = folder + file.path;
    const part = partRange(file.size, number);
    const hash = createHash('sha256');
    const target = await pool.take();
    try {
      let from = part.from;
      let held = 0;
      const giveOn = async () => {
        if (held > 0) await consume({ file, from, bytes: target.subarray(0, held) });
        from += held;
        held = 0;
      };
      for await (const chunk of store.read(key, part, call)) {
        if (from + held + chunk.length > part.to) throw differs(key, 'gave more bytes than were asked for');
        hash.update(chunk);
        for (let at = 0; at < chunk.length;) {
          const piece = chunk.subarray(at, at + pieceBytes - held);
          target.set(piece, held);
          held += piece.length;
          at += piece.length;
          if (held === pieceBytes) await giveOn();
        }
      }
      await giveOn();
      if (from < part.to) throw differs(key, `ends after ${from} bytes, expected ${part.to} or more`);
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== digest) {
        throw differs(key, `has digest ${actual} in bytes ${part.from} to ${part.to}, the manifest says ${digest}`);
      }
    } finally {
      pool.give(target);
    }
  });
}

/**
 * Reads an artifact whole and checks everything: the manifest against the reference, the list of files and every byte
 * against the manifest, sizes included.
 *
 * @throws PortError `Integrity` for any difference, `NotFound` without the artifact.
 */
export async function verifyArtifact(
  input: ArtifactInput & { readonly concurrency?: number },
  call: Call
): Promise<SealedManifest> {
  const artifact = await openArtifact(input, call);
  await checkListing(artifact, call);
  await checkSizes(artifact, call);
  await readVerified(artifact, call, () => Promise.resolve(), input.concurrency);
  return artifact.sealed;
}

/** Compares the sizes of all files with the manifest: bytes after the expected end are found by nothing else. */
export async function checkSizes({ store, folder, sealed }: OpenArtifact, call: Call): Promise<void> {
  await forEachLimited(sealed.manifest.files, lanesOf(store), async (file) => {
    const head = await store.head(folder + file.path, call);
    if (head?.size === file.size) return;
    throw new PortError(
      'Integrity',
      `${store.root}${folder}${file.path} has ${head?.size ?? 'no'} bytes, the manifest says ${file.size}; restore it or make the artifact again`
    );
  });
}
