import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef, Json } from '@retempo/workflows/contracts';
import { canonicalJson } from '@retempo/workflows/domain';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { checkCall, forEachLimited } from './calls.js';
import { digestBytes, digestPart } from './digest.js';
import { toPortError } from './file-errors.js';
import { listFolder, readLocalFile, type LocalFile, type LocalReader } from './folder.js';
import { assertKey } from './key.js';
import { artifactFolder, sealManifest, type ManifestFile } from './manifest.js';
import { lanesOf, inspectObject, isClass, manifestFile, readSmall, uploadObject, writeOnce } from './objects.js';
import { partCount, partRange, partSizeBytes } from './part-size.js';
import { isComplete, publishWhole, refOf } from './publish.js';

// The name of an artifact is the digest of its manifest, which is known only when every byte has been read. Reading the
// source twice would double the cost, so files are read once: small ones wait in memory; large ones are uploaded to
// `<prefix>/.sealing/<id>/` while they are hashed, and are then moved inside the store. `id` names the folder and the
// state of its files, so that a repetition finds what an earlier try has sent, and nobody else does.

/** Bytes of small files that wait in memory for the name of the artifact. */
const heldBytes = 16 * 1024 * 1024;

/** Input of {@link sealFolder}. */
export interface SealInput {
  readonly store: ArtifactStore;
  /** Local folder; must hold at least one plain file and nothing but folders and plain files. */
  readonly folder: string;
  /** Key under which the artifact is put, such as `versions` or `flight-delay/checkpoints`. */
  readonly prefix: string;
  /** True for paths (relative, `/`-separated; folders too) that do not belong to the artifact. */
  readonly exclude?: (path: string) => boolean;
  /** Stored in the manifest and covered by its digest. */
  readonly metadata?: Json;
  /** Parts in flight; default 2 for folders and 4 for other stores. */
  readonly concurrency?: number;
}

interface Staged {
  readonly file: ManifestFile;
  /** Puts the bytes at their final key, which must be absent. */
  readonly publish: (key: string) => Promise<unknown>;
}

async function readWhole(reader: LocalReader, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  await reader.readNext(bytes);
  await reader.finish();
  return bytes;
}

/** Hashes a local file without sending it. Looks after each of its parts whether anybody still waits. */
export async function hashLocal(folder: string, file: LocalFile, call: Call): Promise<ManifestFile> {
  const checkWaits = () => checkCall(call, `hashing ${join(folder, file.path)}`);
  checkWaits();
  const reader = await readLocalFile(folder, file);
  try {
    const buffer = new Uint8Array(Math.min(file.size, partSizeBytes(file.size)));
    const hash = createHash('sha256');
    const parts: { size: number; digest: string }[] = [];
    for (let number = 1; number <= partCount(file.size); number++) {
      const { from, to } = partRange(file.size, number);
      const bytes = buffer.subarray(0, to - from);
      await reader.readNext(bytes);
      const digest = digestPart(bytes);
      hash.update(bytes);
      parts.push({ size: bytes.length, digest: await digest });
      checkWaits();
    }
    await reader.finish();
    return manifestFile(file.path, file.size, `sha256:${hash.digest('hex')}`, parts);
  } finally {
    await reader.close();
  }
}

/** Uploads a local file to a staging key while hashing it. */
async function stageLarge(input: SealInput, file: LocalFile, stagingKey: string, call: Call): Promise<Staged> {
  try {
    return await stageLargeOnce(input, file, stagingKey, call);
  } catch (error) {
    // A twin was faster: the second look finds its object, compares the bytes, and takes it.
    if (!isClass(error, 'Conflict') || (await input.store.head(stagingKey, call)) === null) throw error;
    return stageLargeOnce(input, file, stagingKey, call);
  }
}

async function stageLargeOnce(input: SealInput, file: LocalFile, stagingKey: string, call: Call): Promise<Staged> {
  const { store, folder, concurrency = lanesOf(store) } = input;
  const publish = async (key: string) => store.copy?.(stagingKey, key, call);
  const staged = await store.head(stagingKey, call);
  if (staged !== null) {
    // Finished by an earlier try: hashed on both sides instead of sent again.
    const [local, remote] = [await hashLocal(folder, file, call), await inspectObject(store, stagingKey, call)];
    if (remote?.digest === local.digest) return { file: local, publish };
    await store.delete(stagingKey, call);
  }
  const reader = await readLocalFile(folder, file);
  try {
    const hash = createHash('sha256');
    const parts = await uploadObject(
      {
        store,
        key: stagingKey,
        size: file.size,
        concurrency,
        async fill(_number, target) {
          await reader.readNext(target, (piece) => hash.update(piece));
        },
      },
      call
    );
    await reader.finish();
    return { file: manifestFile(file.path, file.size, `sha256:${hash.digest('hex')}`, parts), publish };
  } finally {
    await reader.close();
  }
}

async function stageSmall(input: SealInput, file: LocalFile, call: Call): Promise<Staged> {
  const reader = await readLocalFile(input.folder, file);
  try {
    const bytes = await readWhole(reader, file.size);
    const digest = await digestPart(bytes);
    const parts = file.size === 0 ? [] : [{ size: file.size, digest }];
    return {
      file: manifestFile(file.path, file.size, digest, parts),
      publish: (key) => input.store.put(key, bytes, { ifAbsent: true }, call),
    };
  } finally {
    await reader.close();
  }
}

async function removeStaging(store: ArtifactStore, staging: string, keep: string, call: Call): Promise<void> {
  const keys: string[] = [];
  for await (const key of store.list(`${staging}/`, call)) if (key !== keep) keys.push(key);
  for (const key of keys) await store.delete(key, call);
}

/**
 * Makes an artifact of a local folder: every file, then `manifest.json`, which makes it visible. Reads the source once;
 * memory is bounded by the part size and `concurrency`. Interrupted at any point it can be repeated and sends only what
 * the store has not confirmed; sealing the same folder again gives the same reference and sends nothing.
 *
 * @returns Reference with key `<prefix>/<first 32 hex digits of the digest>/`.
 * @throws PortError `InvalidSpec` (empty folder, links, devices, bad names), `Conflict` (a file changed meanwhile),
 * `Integrity` (the store holds something else under this name), and what the store throws.
 */
export async function sealFolder(input: SealInput, call: Call): Promise<ArtifactRef> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await sealOnce(input, call);
    } catch (error) {
      // A twin that seals the same folder has finished and cleaned up what this try was using.
      if (!isClass(error, 'NotFound') || attempt === 3) throw error;
    }
  }
}

async function sealOnce(input: SealInput, call: Call): Promise<ArtifactRef> {
  const { store, prefix, metadata } = input;
  assertKey(prefix);
  const folder = await realpath(input.folder).catch((error: unknown) => {
    throw toPortError(error, `seal ${input.folder}`);
  });
  const files = await listFolder(folder, input.exclude);
  if (files.length === 0)
    throw new PortError('InvalidSpec', `${folder} holds no files; write at least one, then seal it again`);

  const state = files.map(({ path, size, inode, mtimeNs }) => [path, size, String(inode), String(mtimeNs)]);
  const id = digestBytes(canonicalJson([folder, state])).slice('sha256:'.length, 'sha256:'.length + 32);
  const staging = `${prefix}/.sealing/${id}`;
  const noteKey = `${staging}/sealed`;

  let held = 0;
  const large = new Set<LocalFile>();
  for (const file of files) {
    if (file.size <= partSizeBytes(file.size) && held + file.size <= heldBytes) held += file.size;
    else large.add(file);
  }

  if (large.size > 0 && store.copy === undefined) {
    throw new PortError('InvalidSpec', `the store ${store.root} cannot copy inside itself; seal into one that can`);
  }

  const note = large.size === 0 ? null : await readSmall(store, noteKey, 1024, call);
  if (note !== null) {
    const hashed: ManifestFile[] = [];
    for (const file of files) hashed.push(await hashLocal(folder, file, call));
    const ours = sealManifest(hashed, metadata);
    const target = artifactFolder(prefix, ours.digest);
    if (await isComplete(store, target, ours, call)) return refOf(store, target, ours);
  }

  const staged: Staged[] = [];
  for (const [index, file] of files.entries()) {
    checkCall(call, `sealing ${folder}`);
    staged.push(
      large.has(file)
        ? await stageLarge({ ...input, folder }, file, `${staging}/${index}`, call)
        : await stageSmall({ ...input, folder }, file, call)
    );
  }
  const ours = sealManifest(
    staged.map(({ file }) => file),
    metadata
  );
  const target = artifactFolder(prefix, ours.digest);
  if (!(await isComplete(store, target, ours, call))) {
    await publishWhole(store, target, ours, call, () =>
      forEachLimited(staged, lanesOf(store), ({ file, publish }) =>
        writeOnce(store, target + file.path, file, call, () => publish(target + file.path))
      )
    );
  }
  if (large.size > 0) {
    const text = Buffer.from(ours.digest);
    await writeOnce(store, noteKey, { digest: digestBytes(text) }, call, () =>
      store.put(noteKey, text, { ifAbsent: true }, call)
    );
    await removeStaging(store, staging, noteKey, call);
  }
  return refOf(store, target, ours);
}
