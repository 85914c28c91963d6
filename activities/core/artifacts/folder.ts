import { lstat, open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { PortError } from '../ports/index.js';
import { toPortError } from './file-errors.js';
import { keyProblem } from './key.js';
import { maxArtifactFiles } from './manifest.js';

/** What is read at once: large enough to cost few turns, small enough that other work comes in between. */
const pieceBytes = 1024 * 1024;

/** A plain file in a local folder, and what tells whether it was changed since it was listed. */
export interface LocalFile {
  readonly path: string;
  readonly size: number;
  readonly inode: bigint;
  readonly mtimeNs: bigint;
}

const kindOf = (entry: { isSymbolicLink(): boolean; isSocket(): boolean; isFIFO(): boolean }): string =>
  entry.isSymbolicLink() ? 'a symbolic link' : entry.isSocket() ? 'a socket' : entry.isFIFO() ? 'a pipe' : 'a device';

/**
 * Plain files under a folder, sorted by path in code unit order.
 *
 * @throws PortError `InvalidSpec` for links, devices, sockets, bad names and more than {@link maxArtifactFiles} files.
 */
export async function listFolder(
  folder: string,
  exclude: (path: string) => boolean = () => false
): Promise<readonly LocalFile[]> {
  const files: LocalFile[] = [];
  const refuse = (path: string, problem: string) =>
    new PortError('InvalidSpec', `${join(folder, path)} ${problem}; remove, rename or exclude it`);
  const visit = async (under: string): Promise<void> => {
    for (const entry of await readdir(join(folder, under), { withFileTypes: true })) {
      const path = under + entry.name;
      if (exclude(path)) continue;
      const problem = keyProblem(path);
      if (problem !== undefined) throw refuse(path, problem);
      if (entry.isDirectory()) {
        await visit(`${path}/`);
        continue;
      }
      if (!entry.isFile()) throw refuse(path, `is ${kindOf(entry)}; an artifact holds plain files only`);
      const { size, ino, mtimeNs } = await lstat(join(folder, path), { bigint: true });
      files.push({ path, size: Number(size), inode: ino, mtimeNs });
      if (files.length > maxArtifactFiles) {
        throw new PortError('InvalidSpec', `${folder} holds more than ${maxArtifactFiles} files; pack them`);
      }
    }
  };
  try {
    await visit('');
  } catch (error) {
    throw toPortError(error, `read the folder ${folder}`);
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Reads a listed file from start to end; class `Conflict` as soon as it is seen to be another one or to have changed. */
export interface LocalReader {
  /** Fills `target` with the next bytes; `seen` is given each piece of them in order while the one after it is read. */
  readNext(target: Uint8Array, seen?: (piece: Uint8Array) => void): Promise<void>;
  /** Checks that the file is still as it was listed, and closes it. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a listed file for {@link LocalReader}. */
export async function readLocalFile(folder: string, file: LocalFile): Promise<LocalReader> {
  const path = join(folder, file.path);
  const changed = () =>
    new PortError('Conflict', `${path} changed while it was read; seal the folder when it is at rest`);
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw toPortError(error, `read ${path}`);
  }
  const check = async () => {
    const { size, ino, mtimeNs } = await handle.stat({ bigint: true });
    if (Number(size) !== file.size || ino !== file.inode || mtimeNs !== file.mtimeNs) throw changed();
  };
  try {
    await check();
  } catch (error) {
    await handle.close();
    throw error;
  }
  return {
    async readNext(target, seen = () => undefined) {
      let unseen = target.subarray(0, 0);
      for (let at = 0; at < target.length;) {
        const reading = handle.read(target, at, Math.min(pieceBytes, target.length - at), null);
        seen(unseen);
        const { bytesRead } = await reading;
        if (bytesRead === 0) throw changed();
        unseen = target.subarray(at, at + bytesRead);
        at += bytesRead;
      }
      seen(unseen);
    },
    async finish() {
      await check();
      await handle.close();
    },
    close: () => handle.close().catch(() => undefined),
  };
}
