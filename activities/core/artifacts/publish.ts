import type { ArtifactRef } from '@retempo/workflows/contracts';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { digestBytes } from './digest.js';
import { manifestName, type SealedManifest } from './manifest.js';
import { isClass, readSmall } from './objects.js';
import { uriOf } from './stores.js';

/**
 * Whether an artifact is visible in a folder (which ends in `/`); class `Integrity` when a manifest lies there that is not
 * the one the folder is named after.
 */
export async function isPublished(
  store: ArtifactStore,
  folder: string,
  { text: ours, digest }: SealedManifest,
  call: Call
): Promise<boolean> {
  const text = await readSmall(store, folder + manifestName, ours.length, call);
  if (text === null) return false;
  if (digestBytes(text) === digest) return true;
  throw new PortError('Integrity', `${store.root}${folder}${manifestName} is not the manifest of digest ${digest}`);
}

/** Writes the manifest, which makes the artifact visible; a twin that was faster with the same manifest is as good. */
export async function publishManifest(
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

/** Reference to a published artifact. */
export const refOf = (store: ArtifactStore, folder: string, { digest, bytes }: SealedManifest): ArtifactRef => ({
  v: 1,
  uri: uriOf(store, folder),
  digest,
  bytes,
});
