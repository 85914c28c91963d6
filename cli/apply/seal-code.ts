import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createFileStore,
  createStores,
  readManifest,
  sealFolder,
  type ManifestFile,
  type Stores,
} from '@retempo/activities';
import type { ArtifactStore, Call } from '@retempo/activities/ports';
import type { LoadedModel } from '@retempo/workers';
import type { ArtifactRef } from '@retempo/workflows/contracts';

/** Key of a model's program snapshots in the artifact store. */
const codePrefix = (model: LoadedModel): string => `code/${model.draft.model}`;

/** A program as it lies in the project folder now. */
export interface SealedCode {
  readonly ref: ArtifactRef;
  readonly files: readonly ManifestFile[];
}

/** Puts the program files of a model into the artifact store; the same bytes give the same reference. */
export async function sealCode(model: LoadedModel, store: ArtifactStore, call: Call): Promise<SealedCode> {
  const files = new Set(model.codeFiles.map(({ path }) => path));
  const folders = new Set(model.codeFiles.flatMap(({ path }) => parentsOf(path)));
  const ref = await sealFolder(
    {
      store,
      folder: model.folder,
      prefix: codePrefix(model),
      exclude: (path) => !files.has(path) && !folders.has(path),
    },
    call
  );
  return { ref, files: await filesOf(createStores([store]), ref, call) };
}

/**
 * What {@link sealCode} would give, with nothing put into the artifact store: the program is sealed into a folder that is
 * removed again, because its digest is known only when every byte was read.
 */
export async function previewCode(model: LoadedModel, store: ArtifactStore, call: Call): Promise<SealedCode> {
  const folder = await mkdtemp(join(tmpdir(), 'retempo-plan-'));
  try {
    const { ref, files } = await sealCode(model, createFileStore({ root: folder }), call);
    const key = ref.uri.slice(ref.uri.indexOf(`/${codePrefix(model)}/`) + 1);
    return { ref: { ...ref, uri: store.root + key }, files };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Files of a program snapshot; none when it is no longer there. */
export async function filesOf(stores: Stores, ref: ArtifactRef, call: Call): Promise<readonly ManifestFile[]> {
  return (await readManifest({ stores, ref }, call)).manifest.files;
}

/** Folders above a path: `a/b/c.js` gives `a` and `a/b`. */
function parentsOf(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
