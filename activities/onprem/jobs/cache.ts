import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call, ProviderContext } from '@retempo/activities/ports';
import { PortError } from '@retempo/activities/ports';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { createJson, errorCode, jsonText } from './atomic-file.js';
import { takeClaim } from './claim.js';
import { isAlive, ownIdentity, type ProcessIdentity } from '@retempo/activities/processes';

/** Local copies of artifacts, by digest, shared by all jobs of a site. */
export interface ArtifactCache {
  /**
   * Folder with the verified files of an artifact. Downloads it once, whoever asks. Throws what `materialize` throws
   * (class `Integrity` for wrong bytes) and `InvalidSpec` for a digest that is none.
   */
  folderOf(ref: ArtifactRef, call: Call): Promise<string>;
  /**
   * Removes copies that nobody has asked for during `keepMs` and whose digest is not in `inUse`, and what workers that died
   * more than `abandonedAfterMs` ago had begun.
   */
  removeUnused(options: {
    readonly keepMs: number;
    readonly abandonedAfterMs: number;
    readonly inUse: ReadonlySet<string>;
  }): Promise<void>;
}

interface Downloader {
  readonly process: ProcessIdentity;
}

const pollMs = 100;
/** A download by another worker is waited for this long; then it is done a second time, which is only a waste. */
const patienceMs = 60_000;

/** Path, size and times of every file: what changes when a file is changed, without reading it. */
async function listingOf(folder: string, below = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = `${folder}/${entry.name}`;
    const name = `${below}${entry.name}`;
    if (entry.isDirectory()) lines.push(...(await listingOf(path, `${name}/`)));
    else {
      const { size, mtimeMs, ctimeMs } = await stat(path);
      lines.push(`${name} ${size} ${mtimeMs} ${ctimeMs}`);
    }
  }
  return lines;
}

async function protect(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) await protect(path);
    else await chmod(path, 0o444);
  }
}

/**
 * Opens the cache below `root`. Bytes are verified when they are downloaded; before each later use the listing (path,
 * size, times) must be the one taken then, otherwise the copy is thrown away and downloaded again.
 */
export function openArtifactCache(root: string, materialize: ProviderContext['materialize']): ArtifactCache {
  const running = new Map<string, Promise<string>>();

  async function intact(entry: string): Promise<boolean> {
    try {
      // As texts: a listing that somebody has damaged is another one, and no reason to fail for ever.
      return jsonText(await listingOf(`${entry}/files`)) === (await readFile(`${entry}/listing.json`, 'utf8'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** When a copy was last asked for is the time of its listing. False when there is none (any more). */
  async function noteUse(entry: string): Promise<boolean> {
    try {
      const now = new Date();
      await utimes(`${entry}/listing.json`, now, now);
      return true;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async function unusedMs(path: string): Promise<number> {
    const info = await stat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    return info === null ? 0 : Date.now() - info.mtimeMs;
  }

  async function removeCopy(entry: string, keepMs: number): Promise<void> {
    if ((await unusedMs(`${entry}/listing.json`)) < keepMs) return;
    const aside = `${root}/.new-${process.pid}-${randomBytes(6).toString('hex')}`;
    try {
      await rename(entry, aside);
    } catch (error) {
      // Removed by another worker meanwhile.
      if (errorCode(error) === 'ENOENT') return;
      throw error;
    }
    // Asked for at the last moment: put back, unless whoever asked has downloaded it again by now.
    const isWanted = (await unusedMs(`${aside}/listing.json`)) < keepMs;
    if (
      isWanted &&
      (await rename(aside, entry).then(
        () => true,
        () => false
      ))
    )
      return;
    await rm(aside, { recursive: true, force: true });
  }

  async function download(ref: ArtifactRef, entry: string, call: Call): Promise<void> {
    const temporary = `${root}/.new-${process.pid}-${randomBytes(6).toString('hex')}`;
    await mkdir(`${temporary}/files`, { recursive: true, mode: 0o700 });
    try {
      await materialize(ref, `${temporary}/files`, call);
      await protect(`${temporary}/files`);
      createJson(`${temporary}/listing.json`, await listingOf(`${temporary}/files`));
      try {
        await rename(temporary, entry);
      } catch (error) {
        const isThere = errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST';
        if (!isThere) throw error;
        if (await intact(entry)) return;
        // Changed since it was verified: moved aside in one step, so that nobody sees half of it.
        await rename(entry, `${temporary}.changed`);
        await rename(temporary, entry);
      }
    } finally {
      await rm(temporary, { recursive: true, force: true });
      await rm(`${temporary}.changed`, { recursive: true, force: true });
    }
  }

  async function provide(ref: ArtifactRef, hex: string, call: Call): Promise<string> {
    const entry = `${root}/${hex}`;
    const claim = `${root}/.claims/${hex}`;
    const own = { process: ownIdentity() };
    const patientUntil = Date.now() + patienceMs;
    for (;;) {
      // Noted after it was found, so that one that is being removed at this moment is downloaded again.
      if ((await intact(entry)) && (await noteUse(entry))) return `${entry}/files`;
      const isMine = takeClaim<Downloader>(
        claim,
        own,
        ({ process: other }) => other.pid === own.process.pid || !isAlive(other)
      );
      if (isMine || Date.now() > patientUntil) break;
      call.signal.throwIfAborted();
      await sleep(pollMs);
    }
    await download(ref, entry, call);
    // Gives way at once to a worker that waits, also when the entry is thrown away later.
    await rm(claim, { recursive: true, force: true });
    return `${entry}/files`;
  }

  return {
    async removeUnused({ keepMs, abandonedAfterMs, inUse }) {
      for (const name of await readdir(root).catch(() => [])) {
        const path = `${root}/${name}`;
        if (/^[0-9a-f]{64}$/.test(name) && !inUse.has(`sha256:${name}`)) await removeCopy(path, keepMs);
        const isAbandoned = name.startsWith('.new-') && (await unusedMs(path)) > abandonedAfterMs;
        if (isAbandoned) await rm(path, { recursive: true, force: true });
      }
    },
    folderOf(ref, call) {
      const hex = /^sha256:([0-9a-f]{64})$/.exec(ref.digest)?.[1];
      if (hex === undefined) {
        return Promise.reject(
          new PortError(
            'InvalidSpec',
            `not a digest of an artifact: ${JSON.stringify(ref.digest)}; give the reference as it was returned`
          )
        );
      }
      let promise = running.get(hex);
      if (promise === undefined) {
        promise = provide(ref, hex, call).finally(() => running.delete(hex));
        running.set(hex, promise);
      }
      return promise;
    },
  };
}
