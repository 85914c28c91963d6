import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing. One try each: Node's own `recursive` never ends where nothing can be
 * made although the folder above is there, as below `/proc`, and then holds the whole process.
 *
 * @returns The uppermost folder that had to be made, or undefined.
 */
export function makeFolder(folder: string, mode?: number): string | undefined {
  if (isFolder(folder)) return undefined;
  const above = dirname(folder) === folder ? undefined : makeFolder(dirname(folder), mode);
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // Unless somebody else has made it meanwhile.
    if (!isFolder(folder)) throw error;
  }
  return above ?? folder;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
