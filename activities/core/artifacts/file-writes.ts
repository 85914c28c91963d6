import { constants } from 'node:fs';
import { copyFile, link, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PortError } from '../ports/index.js';
import { codeOf } from './file-errors.js';
import { removeDeadTickets } from './file-lock.js';
import { inFolderOf, internalFolder } from './file-paths.js';
import { syncFolderOf } from './file-sync.js';
import { livenessOfName, makeFolder, ownedName } from '../processes/index.js';

/** Files of processes that cannot be looked at (other machine, other container) are left alone for this many ms. */
const foreignLeftoverMs = 24 * 3600 * 1000;

/** Removes unfinished writes and lock tickets of processes that are dead. */
export async function removeDeadWrites(base: string): Promise<void> {
  await removeDeadTickets(join(base, internalFolder, 'locks'));
  const folder = join(base, internalFolder, 'tmp');
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const liveness = livenessOfName(name);
    const old = async () => Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0) > foreignLeftoverMs;
    if (liveness === 'dead' || (liveness === 'unknown' && (await old())))
      await rm(path, { force: true, recursive: true });
  }
}

/** Gives `work` the path of a file that does not exist yet, on the same file system as the store, and cleans up after it. */
export async function withTemporary<T>(base: string, work: (path: string) => Promise<T>): Promise<T> {
  const folder = join(base, internalFolder, 'tmp');
  makeFolder(folder);
  const path = join(folder, ownedName());
  try {
    return await work(path);
  } finally {
    await rm(path, { force: true, recursive: true });
  }
}

/** Gives a complete file its name, unless the name is taken: class `Conflict`. The old name stays. */
export async function publishExclusively(from: string, path: string, key: string): Promise<void> {
  let made: string | undefined;
  try {
    made = await inFolderOf(path, () => link(from, path));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new PortError('Conflict', `"${key}" exists already and was not changed; read it, or choose another key`, {
      cause: error,
    });
  }
  await syncFolderOf(path, made);
}

/**
 * Another name for the same bytes, as cheaply as the file system can: a clone that shares blocks; else a hard link, which
 * is as good because the store never changes a file in place; else a copy.
 */
export async function duplicate(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return;
  } catch {
    // Whatever is wrong with the names, the next way says so too.
  }
  try {
    await link(from, to);
  } catch (error) {
    if (codeOf(error) !== 'EMLINK') throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
  }
}
