import { createHash } from 'node:crypto';
import { rename, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { checkCall } from './calls.js';
import { codeOf, guarded, toPortError } from './file-errors.js';
import { withFileLock, type HeldLock } from './file-lock.js';
import { internalFolder, placeOf, pruneAbove, realRoot, walkKeys } from './file-paths.js';
import { fileUploads } from './file-uploads.js';
import { openVersion } from './file-versions.js';
import { syncFile, syncFolderOf, writeDurably } from './file-sync.js';
import { duplicate, publishExclusively, removeDeadWrites, withTemporary } from './file-writes.js';
import { assertPrefix } from './key.js';

const chunkBytes = 256 * 1024;

/** Every change of an existing key is made under the lock of the key. */
const withKeyLock = <T>(base: string, key: string, call: Call, work: (held: HeldLock) => Promise<T>): Promise<T> =>
  withFileLock(
    join(base, internalFolder, 'locks'),
    createHash('sha256').update(key).digest('hex').slice(0, 32),
    call,
    work
  );

/** Version of what lies at a path, or null. */
async function currentVersion(path: string): Promise<{ readonly size: number; readonly version: string } | null> {
  const file = await openVersion(path);
  if (file === null) return null;
  await file.handle.close();
  return { size: file.size, version: file.version };
}

/**
 * Artifact store in a folder, safe for any number of processes at once: writes are atomic and durable, a key appears
 * whole or not at all, compare-and-set has exactly one winner, and a process killed at any point leaves nothing that a
 * reader can see or that blocks others. Unfinished work lies in `.retempo-store` under the root.
 *
 * Two restrictions that object stores do not have: a key cannot be both a file and the beginning of other keys (class
 * `Conflict`), and the folder must not hold symbolic links (class `Integrity`). Copies may share blocks or the inode with
 * their source; no file is ever changed in place.
 *
 * @param options.root Folder; must exist, so that an unmounted disk is not taken for an empty store (class `ServiceFault`).
 */
export function createFileStore(options: { readonly root: string }): ArtifactStore {
  const root = resolve(options.root);
  let swept: Promise<void> | undefined;

  const writable = async (): Promise<string> => {
    const base = await realRoot(root);
    swept ??= removeDeadWrites(base);
    await swept;
    return base;
  };

  async function replace(
    base: string,
    input: { readonly key: string; readonly path: string; readonly from: string; readonly ifVersion: string },
    call: Call
  ): Promise<void> {
    const { key, path, from, ifVersion } = input;
    await withKeyLock(base, key, call, async (held) => {
      const current = await currentVersion(path);
      if (current?.version !== ifVersion) {
        throw new PortError(
          'Conflict',
          `"${key}" ${current === null ? 'does not exist' : 'was changed by somebody else'}; read it again, then decide`
        );
      }
      held.confirm();
      await rename(from, path);
    });
    await syncFolderOf(path);
  }

  return {
    scheme: 'file',
    root: `${pathToFileURL(root).href}/`,
    capabilities: { ifAbsent: true, compareAndSet: true, copy: true, resume: 'parts' },

    head: (key, call) =>
      guarded(`look at "${key}"`, async () => {
        checkCall(call, `looking at "${key}"`);
        const { path, exists } = await placeOf(root, key);
        return exists ? currentVersion(path) : null;
      }),

    async *read(key, { from = 0, to, version }, call) {
      const action = `read "${key}"`;
      checkCall(call, `reading "${key}"`);
      const file = await guarded(action, async () => {
        const { path, exists } = await placeOf(root, key);
        return exists ? openVersion(path) : null;
      });
      if (file === null)
        throw new PortError(
          'NotFound',
          `there is no "${key}" in the store ${root}; look whether it was deleted, then make it again`
        );
      try {
        if (version !== undefined && version !== file.version) {
          throw new PortError('Conflict', `"${key}" was changed by somebody else; read it again, then decide`);
        }
        const end = Math.min(to ?? file.size, file.size);
        for (let at = from; at < end;) {
          checkCall(call, `reading "${key}"`);
          const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at));
          const { bytesRead } = await file.handle.read(chunk, 0, chunk.length, at);
          if (bytesRead === 0)
            throw new PortError('Conflict', `"${key}" became shorter while it was read; read it again`);
          at += bytesRead;
          yield chunk.subarray(0, bytesRead);
        }
      } catch (error) {
        throw toPortError(error, action);
      } finally {
        await file.handle.close();
      }
    },

    put: (key, bytes, condition, call) =>
      guarded(`write "${key}"`, async () => {
        checkCall(call, `writing "${key}"`);
        const { path } = await placeOf(root, key);
        const base = await writable();
        return withTemporary(base, async (temporary) => {
          await writeDurably(temporary, bytes);
          // The version of the bytes written here, never of what a later writer may already have put in their place.
          const written = await currentVersion(temporary);
          if (written === null)
            throw new PortError(
              'ServiceFault',
              `the unfinished write of "${key}" disappeared; look who deletes files below ${root}, then repeat the call`
            );
          if ('ifVersion' in condition) {
            await replace(base, { key, path, from: temporary, ifVersion: condition.ifVersion }, call);
          } else {
            await publishExclusively(temporary, path, key);
          }
          return { version: written.version };
        });
      }),

    upload: fileUploads(root),

    copy: (from, to, call) =>
      guarded(`copy "${from}" to "${to}"`, async () => {
        checkCall(call, `copying "${from}"`);
        const source = await placeOf(root, from);
        const target = await placeOf(root, to);
        const base = await writable();
        if (!source.exists)
          throw new PortError(
            'NotFound',
            `there is no "${from}" in the store ${root}; look whether it was deleted, then make it again`
          );
        await withTemporary(base, async (temporary) => {
          await duplicate(source.path, temporary);
          await syncFile(temporary);
          await publishExclusively(temporary, target.path, to);
        });
      }),

    async *list(prefix, call) {
      assertPrefix(prefix);
      const base = await guarded(`list "${prefix}"`, () => realRoot(root));
      const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      if (folder !== '') await placeOf(root, folder.slice(0, -1));
      try {
        for await (const key of walkKeys(base, folder, prefix)) {
          checkCall(call, `listing "${prefix}"`);
          yield key;
        }
      } catch (error) {
        throw toPortError(error, `list "${join(root, prefix)}"`);
      }
    },

    delete: (key, call) =>
      guarded(`delete "${key}"`, async () => {
        checkCall(call, `deleting "${key}"`);
        const { path, exists } = await placeOf(root, key);
        if (!exists || (await currentVersion(path)) === null) return;
        const base = await writable();
        await withKeyLock(base, key, call, async () => {
          await unlink(path).catch((error: unknown) => {
            if (codeOf(error) !== 'ENOENT') throw error;
          });
          // In the order of the calls: the files of an artifact must not be lost while its manifest comes back.
          await syncFolderOf(path);
        });
        await pruneAbove(base, path);
      }),
  };
}
