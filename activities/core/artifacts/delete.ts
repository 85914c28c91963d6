import type { ArtifactRef } from '@retempo/workflows/contracts';
import { PortError, type Call } from '../ports/index.js';
import { manifestName } from './manifest.js';
import type { Stores } from './stores.js';

/**
 * Deletes an artifact: the manifest first, so that no reader sees a part of it, then every file. Deleting what is not
 * there changes nothing. Whoever calls this must know that nobody needs the artifact any more.
 */
export async function deleteArtifact(
  { stores, ref }: { readonly stores: Stores; readonly ref: ArtifactRef },
  call: Call
): Promise<void> {
  if (!ref.uri.endsWith('/'))
    throw new PortError(
      'InvalidSpec',
      `${ref.uri} is not the folder of an artifact; give the URI of a reference, which ends in /`
    );
  const { store, key } = stores.resolve(ref.uri);
  await store.delete(`${key}/${manifestName}`, call);
  const keys: string[] = [];
  for await (const file of store.list(`${key}/`, call)) keys.push(file);
  for (const file of keys) await store.delete(file, call);
}
