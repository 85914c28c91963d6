import { mkdir, open, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isPortError, PortError, type Call } from '../ports/index.js';
import { checkCall, forEachLimited } from './calls.js';
import { codeOf, guarded } from './file-errors.js';
import { syncFile, syncFolder, syncFolderOf } from './file-sync.js';
import { listFolder } from './folder.js';
import type { Manifest } from './manifest.js';
import { livenessOfName, makeFolder, ownedName } from '../processes/index.js';
import { checkListing, checkSizes, openArtifact, readVerified, type ArtifactInput } from './read.js';
import { hashLocal } from './seal.js';

/**
 * Compares a local folder with a manifest, byte by byte.
 *
 * @throws PortError `Integrity` naming the first difference.
 */
export async function verifyFolder(folder: string, manifest: Manifest, call: Call): Promise<void> {
  const files = await listFolder(folder);
  const expected = new Map(manifest.files.map((file) => [file.path, file]));
  for (const file of files) {
    const entry = expected.get(file.path);
    const same =
      entry !== undefined && entry.size === file.size && (await hashLocal(folder, file, call)).digest === entry.digest;
    if (!same) {
      throw new PortError(
        'Integrity',
        `${join(folder, file.path)} is not as the manifest of the artifact says; empty the folder and fetch the artifact again`
      );
    }
    expected.delete(file.path);
  }
  const [missing] = expected.keys();
  if (missing !== undefined)
    throw new PortError(
      'Integrity',
      `${join(folder, missing)} is missing; empty the folder and fetch the artifact again`
    );
}

/** Names in a folder; none when it does not exist. */
const namesIn = (folder: string): Promise<readonly string[]> =>
  readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });

async function isThere(folder: string, manifest: Manifest, call: Call): Promise<boolean> {
  if ((await guarded(`read ${folder}`, () => namesIn(folder))).length === 0) return false;
  try {
    await verifyFolder(folder, manifest, call);
    return true;
  } catch (error) {
    if (!isPortError(error) || (error.class !== 'Integrity' && error.class !== 'InvalidSpec')) throw error;
    throw new PortError(
      'Conflict',
      `${folder} is not empty and does not hold this artifact (${error.message}); empty it`,
      {
        cause: error,
      }
    );
  }
}

/** Files that are brought to the disk at once. */
const syncLanes = 4;

/** Waits until the files of an artifact, and their names, are on the disk. */
async function syncFiles(folder: string, { files }: Manifest, call: Call): Promise<void> {
  await forEachLimited(files, syncLanes, async ({ path }) => {
    checkCall(call, `writing ${folder}`);
    await syncFile(join(folder, path));
  });
  const folders = new Set([folder]);
  for (const { path } of files) {
    for (let above = dirname(path); above !== '.'; above = dirname(above)) folders.add(join(folder, above));
  }
  await forEachLimited(folders, syncLanes, syncFolder);
}

/**
 * Puts a verified copy of an artifact into a local folder, which must be absent or empty, or hold this very artifact (then
 * it is verified and left as it is). The folder appears whole: bytes are written to a folder beside it, which is renamed when
 * every digest has matched and all is on the disk: a machine that loses power keeps the whole folder or none. Unfinished
 * folders of killed processes are removed.
 *
 * @throws PortError `Integrity` for any byte, file or name that is not as the manifest says, `NotFound` without the
 * artifact, `Conflict` when the folder holds something else.
 */
export async function materialize(
  input: ArtifactInput & { readonly folder: string; readonly concurrency?: number },
  call: Call
): Promise<void> {
  const artifact = await openArtifact(input, call);
  const { manifest } = artifact.sealed;
  const folder = resolve(input.folder);
  if (await isThere(folder, manifest, call)) return syncFolderOf(folder);
  await checkListing(artifact, call);
  await checkSizes(artifact, call);

  const parent = dirname(folder);
  const prefix = `.${basename(folder)}.partial.`;
  const made = await guarded(`write to ${parent}`, async () => {
    const uppermost = makeFolder(parent);
    for (const name of await namesIn(parent)) {
      if (!name.startsWith(prefix) || livenessOfName(name.slice(prefix.length)) !== 'dead') continue;
      await rm(join(parent, name), { recursive: true, force: true });
    }
    return uppermost;
  });
  const partial = join(parent, prefix + ownedName());
  try {
    await guarded(`write to ${partial}`, async () => {
      await mkdir(partial);
      for (const { path } of manifest.files) {
        await mkdir(dirname(join(partial, path)), { recursive: true });
        await writeFile(join(partial, path), '', { flag: 'wx' });
      }
    });
    await readVerified(
      artifact,
      call,
      ({ file, from, bytes }) =>
        guarded(`write ${join(partial, file.path)}`, async () => {
          const handle = await open(join(partial, file.path), 'r+');
          try {
            for (let at = 0; at < bytes.length;) {
              at += (await handle.write(bytes, at, bytes.length - at, from + at)).bytesWritten;
            }
          } finally {
            await handle.close();
          }
        }),
      input.concurrency
    );
    await guarded(`put the artifact at ${folder}`, async () => {
      await syncFiles(partial, manifest, call);
      await rmdir(folder).catch(() => undefined);
      try {
        await rename(partial, folder);
      } catch (error) {
        // Somebody else filled the folder meanwhile: as good, if it is the same artifact, and there to stay.
        if (!(await isThere(folder, manifest, call))) throw error;
      }
      await syncFolderOf(folder, made);
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
