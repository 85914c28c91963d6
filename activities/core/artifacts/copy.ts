import type { ArtifactRef } from '@retempo/workflows/contracts';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { forEachLimited } from './calls.js';
import { artifactFolder, manifestName, type ManifestFile } from './manifest.js';
import { lanesOf, readInto, uploadObject, writeOnce } from './objects.js';
import { partRange, partSizeBytes } from './part-size.js';
import { publishWhole, refOf, removalNote } from './publish.js';
import { checkListing, openArtifact, type ArtifactInput, type OpenArtifact } from './read.js';
import { uriOf } from './stores.js';

/** Input of {@link copyArtifact}. */
export interface CopyInput {
  readonly from: ArtifactInput;
  readonly to: { readonly store: ArtifactStore; readonly prefix: string };
  /** Parts in flight; default 2 for folders and 4 for other stores. */
  readonly concurrency?: number;
}

/** Moves one file between stores part by part; every part is compared with the manifest before it counts. */
async function relay(
  from: OpenArtifact,
  to: { readonly store: ArtifactStore; readonly key: string },
  file: ManifestFile,
  concurrency: number,
  call: Call
): Promise<void> {
  const key = from.folder + file.path;
  const fill = async (number: number, target: Uint8Array) => {
    const { digest } = await readInto(from.store, { key, ...partRange(file.size, number), target }, call);
    if (digest === file.parts[number - 1]?.digest) return;
    throw new PortError(
      'Integrity',
      `part ${number} of "${key}" is not as the manifest says; it is not copied, restore it or make the artifact again`
    );
  };
  const known = (number: number) => file.parts[number - 1]?.digest;
  if (file.size > partSizeBytes(file.size)) {
    await uploadObject({ ...to, size: file.size, known, fill, concurrency }, call);
    return;
  }
  const bytes = new Uint8Array(file.size);
  if (file.size > 0) await fill(1, bytes);
  await to.store.put(to.key, bytes, { ifAbsent: true }, call);
}

/**
 * Copies an artifact to another prefix or store; the digest stays, the URI changes. Inside one store no byte passes
 * through the caller; between stores every part is verified on the way. Files first, manifest last; can be repeated after
 * any interruption, sends only what is missing, and costs one look when the copy is there already.
 *
 * @throws PortError `Integrity` when source or target hold other bytes than the manifest says.
 */
export async function copyArtifact(
  { from, to, concurrency = lanesOf(to.store) }: CopyInput,
  call: Call
): Promise<ArtifactRef> {
  const folder = artifactFolder(to.prefix, from.ref.digest);
  const target: ArtifactRef = { ...from.ref, uri: uriOf(to.store, folder) };
  const there = await to.store.head(folder + manifestName, call);
  if (there !== null && there.size !== removalNote.length) return target;

  const source = await openArtifact(from, call);
  await checkListing(source, call);
  const inStore = source.store.root === to.store.root ? to.store.copy?.bind(to.store) : undefined;
  const one = (file: ManifestFile): Promise<void> => {
    const key = folder + file.path;
    return writeOnce(to.store, key, file, call, () =>
      inStore === undefined
        ? relay(source, { store: to.store, key }, file, concurrency, call)
        : inStore(source.folder + file.path, key, call)
    );
  };
  // Between stores a file uses all lanes for its parts; inside a store the lanes are files.
  const lanes = inStore === undefined ? 1 : concurrency;
  await publishWhole(to.store, folder, source.sealed, call, () =>
    forEachLimited(source.sealed.manifest.files, lanes, one)
  );
  return refOf(to.store, folder, source.sealed);
}
