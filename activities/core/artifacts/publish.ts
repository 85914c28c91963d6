import type { ArtifactRef } from '@retempo/workflows/contracts';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { digestBytes } from './digest.js';
import { manifestName, type SealedManifest } from './manifest.js';
import { isClass, readSmall } from './objects.js';
import { uriOf } from './stores.js';

/**
 * Lies in the place of a manifest while what a broken-off transfer left is removed: of the one who removes and the one who
 * publishes exactly one wins the key. Shorter than any manifest.
 */
export const removalNote: Uint8Array = Buffer.from('{"removing":true,"v":1}');

/** When to come back to a folder whose remains are being removed, in milliseconds. */
const removalRetryMs = 5_000;

/**
 * Whether an artifact is visible in a folder (which ends in `/`); class `Integrity` when a manifest lies there that is not
 * the one the folder is named after.
 */
async function isPublished(
  store: ArtifactStore,
  folder: string,
  { text: ours, digest }: SealedManifest,
  call: Call
): Promise<boolean> {
  const text = await readSmall(store, folder + manifestName, ours.length, call);
  if (text === null) return false;
  if (digestBytes(text) === digest) return true;
  if (Buffer.compare(removalNote, text) === 0) {
    throw new PortError(
      'ServiceFault',
      `what an earlier transfer left at ${store.root}${folder} is being removed at this moment; repeat the call in a few seconds`,
      { retryAfterMs: removalRetryMs }
    );
  }
  throw new PortError(
    'Integrity',
    `${store.root}${folder}${manifestName} is not the manifest of digest ${digest}; look who changed it, delete the folder, then repeat the call`
  );
}

/** Writes the manifest, which makes the artifact visible; a twin that was faster with the same manifest is as good. */
async function publishManifest(
  store: ArtifactStore,
  folder: string,
  manifest: SealedManifest,
  call: Call
): Promise<void> {
  try {
    await store.put(folder + manifestName, manifest.text, { ifAbsent: true }, call);
  } catch (error) {
    if (!isClass(error, 'Conflict') && !isClass(error, 'UnknownOutcome')) throw error;
    if (!(await isPublished(store, folder, manifest, call))) throw error;
  }
}

/** Key of a file of an artifact that is not in its folder, or undefined. */
async function missingFile(
  store: ArtifactStore,
  folder: string,
  { manifest }: SealedManifest,
  call: Call
): Promise<string | undefined> {
  const missing = new Set(manifest.files.map((file) => folder + file.path));
  for await (const key of store.list(folder, call)) missing.delete(key);
  return [...missing][0];
}

/** Whether an artifact is visible and all its files are there; their bytes are not read. */
export const isComplete = async (
  store: ArtifactStore,
  folder: string,
  manifest: SealedManifest,
  call: Call
): Promise<boolean> =>
  (await isPublished(store, folder, manifest, call)) &&
  (await missingFile(store, folder, manifest, call)) === undefined;

/** How often an artifact is completed whose files went away while it was published. */
const publishRounds = 3;

/**
 * Writes the files with `writeFiles`, which may be repeated, then the manifest, and sees to it that the files are there
 * still: what a transfer of long ago had left, and was taken for written here, may have been removed in between.
 */
export async function publishWhole(
  store: ArtifactStore,
  folder: string,
  manifest: SealedManifest,
  call: Call,
  writeFiles: () => Promise<void>
): Promise<void> {
  for (let round = 1; ; round++) {
    await writeFiles();
    await publishManifest(store, folder, manifest, call);
    const missing = await missingFile(store, folder, manifest, call);
    if (missing === undefined) return;
    await store.delete(folder + manifestName, call);
    if (round === publishRounds) {
      throw new PortError('Integrity', `${store.root}${missing} went away while it was published; look who deletes it`);
    }
  }
}

/** Reference to a published artifact. */
export const refOf = (store: ArtifactStore, folder: string, { digest, bytes }: SealedManifest): ArtifactRef => ({
  v: 1,
  uri: uriOf(store, folder),
  digest,
  bytes,
});
