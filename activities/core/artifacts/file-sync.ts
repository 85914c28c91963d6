import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the names in a folder durable; systems that cannot do it are left as they are. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/**
 * Makes the name of `path` in its folder durable, and those of the folders above it up to `uppermost`, the first that was made
 * for it.
 */
export async function syncFolderOf(path: string, uppermost = path): Promise<void> {
  for (let name = path; ; name = dirname(name)) {
    await syncFolder(dirname(name));
    if (name.length <= uppermost.length) return;
  }
}

/** Writes a whole file and waits until it is on the disk. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Waits until what was written to a file is on the disk. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
