import { lstat, mkdir, readdir, realpath, rmdir } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { PortError } from '../ports/index.js';
import { codeOf } from './file-errors.js';
import { assertKey, foldedKey } from './key.js';

/** Folder under the root that holds unfinished writes, uploads and locks; no key leads into it. */
export const internalFolder = '.retempo-store';

const realOrNull = (path: string): Promise<string | null> =>
  realpath(path).catch((error: unknown) => {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  });

/** Real path of a store's root; class `ServiceFault` when it is not there, because a missing disk is not an empty store. */
export async function realRoot(root: string): Promise<string> {
  const real = await realOrNull(root);
  if (real === null) {
    throw new PortError('ServiceFault', `the store folder ${root} does not exist; mount the disk or create the folder`);
  }
  return real;
}

/** Where a key lies, and whether the file system has exactly this name. */
export interface Place {
  readonly path: string;
  /** False when nothing lies there, or when something does whose name differs in case. */
  readonly exists: boolean;
}

/**
 * Path of a key under `root`. Nothing on the way, and not the file itself, may be a symbolic link.
 *
 * @throws PortError `InvalidSpec` for a bad key, `Integrity` for a symbolic link, `ServiceFault` without the root.
 */
export async function placeOf(root: string, key: string): Promise<Place> {
  assertKey(key);
  const segments = key.split('/');
  if (foldedKey(segments[0] ?? '') === internalFolder) {
    throw new PortError(
      'InvalidSpec',
      `the key "${key}" lies in ${internalFolder}, which the store keeps for itself; choose another name`
    );
  }
  const base = await realRoot(root);
  const path = join(base, ...segments);
  for (let count = segments.length; count > 0; count--) {
    const lexical = join(base, ...segments.slice(0, count));
    const real = await realOrNull(lexical);
    if (real === lexical) return { path, exists: count === segments.length };
    if (real === null) {
      // Nothing there, or a link that leads nowhere yet.
      if ((await lstat(lexical).catch(() => undefined))?.isSymbolicLink() !== true) continue;
    } else if (foldedKey(real) === foldedKey(lexical)) return { path, exists: false };
    throw new PortError(
      'Integrity',
      `the key "${key}" leads through a symbolic link at ${lexical}; stores hold plain files and folders only`
    );
  }
  return { path, exists: false };
}

/**
 * Runs `write` after making the folder of `path`; again when a concurrent delete removes the empty folder meanwhile.
 *
 * @returns The uppermost folder that had to be made, or undefined.
 */
export async function inFolderOf(path: string, write: () => Promise<void>): Promise<string | undefined> {
  let made: string | undefined;
  for (let attempt = 1; ; attempt++) {
    const uppermost = await mkdir(dirname(path), { recursive: true });
    if (made === undefined || (uppermost !== undefined && uppermost.length < made.length)) made = uppermost;
    try {
      await write();
      return made;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || attempt === 100) throw error;
    }
  }
}

/** Removes the folders above a deleted file that are empty now, up to the root. */
export async function pruneAbove(root: string, path: string): Promise<void> {
  for (let folder = dirname(path); folder.startsWith(root + sep); folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}

/** Keys under `folder` (`''` or ending in `/`), in code unit order, that start with `prefix`. */
export async function* walkKeys(base: string, folder: string, prefix: string): AsyncGenerator<string> {
  const entries = await readdir(join(base, folder), { withFileTypes: true }).catch((error: unknown) => {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  });
  // A folder sorts by its name and `/`, which is where the keys in it belong.
  const names = entries
    .filter((entry) => !(folder === '' && entry.name === internalFolder))
    .map((entry) => ({ entry, name: entry.isDirectory() ? `${entry.name}/` : entry.name }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { entry, name } of names) {
    const key = folder + name;
    if (!key.startsWith(prefix) && !prefix.startsWith(key)) continue;
    if (entry.isDirectory()) yield* walkKeys(base, key, prefix);
    else if (entry.isFile()) yield key;
    else
      throw new PortError('Integrity', `${join(base, key)} is neither a file nor a folder; remove it from the store`);
  }
}
