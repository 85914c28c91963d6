import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { PortError } from '../ports/index.js';
import { codeOf } from './file-errors.js';

/** Files up to this many bytes carry the digest of their content in the version tag. */
const digestUpToBytes = 1024 * 1024;

/** A file that is open for reading: its size and version stay what they are, whatever happens to the name. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly size: number;
  readonly version: string;
}

/**
 * Version tag of an open file. Small files, the only ones that are changed by compare-and-set: digest of the content and
 * time of writing, so that neither a reused inode nor a write within one tick of the clock looks like an old version
 * with other content. Large files are written once: inode, size and time of writing.
 */
async function versionOf(handle: FileHandle, size: number, inode: bigint, mtimeNs: bigint): Promise<string> {
  if (size > digestUpToBytes) return `i${inode.toString(36)}-${size.toString(36)}-${mtimeNs.toString(36)}`;
  const bytes = Buffer.alloc(size);
  let read = 0;
  while (read < size) {
    const { bytesRead } = await handle.read(bytes, read, size - read, read);
    if (bytesRead === 0) throw new PortError('Conflict', 'a file became shorter while it was read; repeat the call');
    read += bytesRead;
  }
  return `c${createHash('sha256').update(bytes).digest('hex').slice(0, 40)}-${mtimeNs.toString(36)}`;
}

/** Opens a plain file and tells its version; null when there is none. The caller closes the handle. */
export async function openVersion(path: string): Promise<OpenFile | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
  try {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) {
      await handle.close();
      return null;
    }
    const size = Number(stats.size);
    return { handle, size, version: await versionOf(handle, size, stats.ino, stats.mtimeNs) };
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}
