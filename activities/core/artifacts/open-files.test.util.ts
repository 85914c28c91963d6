import { readdir, readlink } from 'node:fs/promises';

/** Files below a folder that this process has open; Linux only. */
export async function openFilesBelow(folder: string): Promise<readonly string[]> {
  const descriptors = await readdir('/proc/self/fd');
  // A descriptor may be closed by the time it is looked at.
  const paths = await Promise.all(descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return paths.filter((path) => path.startsWith(folder));
}
