import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { modelOfId, type ArtifactRef } from '@retempo/workflows/contracts';
import { isPortError } from '../ports/index.js';
import type { ArtifactStore, Call } from '../ports/index.js';
import type { PortCalls } from './calls.js';

/** Makes an immutable artifact of a local folder, under `prefix` of a store; same content, same reference. */
export type SealFolder = (
  input: {
    readonly store: ArtifactStore;
    readonly folder: string;
    readonly prefix: string;
    /** True for relative paths that do not belong to the artifact. */
    readonly exclude?: (path: string) => boolean;
  },
  call: Call
) => Promise<ArtifactRef>;

interface LatestCheckpoint {
  readonly v: 1;
  readonly ref: ArtifactRef;
  /** Newest modification time of its files, epoch milliseconds: a straggler never replaces a newer checkpoint. */
  readonly savedAtMs: number;
}

const maxDocumentBytes = 64 * 1024;
const casRounds = 5;
/** A folder that is the same after this time is taken for complete; the copy is checked once more when it is done. */
const stillMs = 100;

/** Folder of a release's checkpoints in a store, under the name of its model; ids are hashed because they contain `/`. */
const checkpointsOf = (releaseId: string): string =>
  `checkpoints/${modelOfId(releaseId) ?? 'other'}/${createHash('sha256').update(releaseId).digest('hex')}`;

/** Folder of a step's checkpoints in a store. */
export const checkpointPrefix = (releaseId: string, step: string): string => `${checkpointsOf(releaseId)}/${step}`;

const latestKey = (releaseId: string, step: string): string => `${checkpointPrefix(releaseId, step)}/latest.json`;

/** Null for a damaged record: a run goes on without it, and the next checkpoint replaces it. */
function latestOf(text: string): LatestCheckpoint | null {
  try {
    const latest = JSON.parse(text) as Partial<LatestCheckpoint> | null;
    return latest?.ref === undefined ? null : (latest as LatestCheckpoint);
  } catch {
    return null;
  }
}

/** What the store names the newest, and the version of that record; null without one. */
async function readLatest(
  store: ArtifactStore,
  key: string,
  call: Call
): Promise<{ readonly latest: LatestCheckpoint | null; readonly version: string } | null> {
  for (let round = 1; ; round += 1) {
    const head = await store.head(key, call);
    if (head === null) return null;
    if (head.size > maxDocumentBytes) return { latest: null, version: head.version };
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of store.read(key, { version: head.version }, call)) chunks.push(chunk);
      return { latest: latestOf(Buffer.concat(chunks).toString('utf8')), version: head.version };
    } catch (error) {
      // Somebody has published a newer one, or deleted them all, between the two calls.
      const raced = isPortError(error) && (error.class === 'Conflict' || error.class === 'NotFound');
      if (!raced || round >= casRounds) throw error;
    }
  }
}

/** Makes `ref` the newest checkpoint of a step unless there is a newer one. */
export async function publishCheckpoint(
  store: ArtifactStore,
  step: { readonly releaseId: string; readonly step: string },
  checkpoint: { readonly ref: ArtifactRef; readonly savedAtMs: number },
  call: Call
): Promise<void> {
  const key = latestKey(step.releaseId, step.step);
  const bytes = Buffer.from(JSON.stringify({ v: 1, ...checkpoint } satisfies LatestCheckpoint));
  for (let round = 1; ; round += 1) {
    const current = await readLatest(store, key, call);
    const latest = current?.latest ?? null;
    if (latest !== null && (latest.ref.digest === checkpoint.ref.digest || latest.savedAtMs >= checkpoint.savedAtMs))
      return;
    try {
      await store.put(key, bytes, current === null ? { ifAbsent: true } : { ifVersion: current.version }, call);
      return;
    } catch (error) {
      if (!isPortError(error) || error.class !== 'Conflict' || round >= casRounds) throw error;
    }
  }
}

/**
 * Deletes all checkpoints of a release: first what says which is the newest, so that nobody is sent to half of one.
 * Whoever calls this must know that the release is over.
 */
export async function deleteCheckpoints(store: ArtifactStore, releaseId: string, call: Call): Promise<void> {
  const keys: string[] = [];
  for await (const key of store.list(`${checkpointsOf(releaseId)}/`, call)) keys.push(key);
  const isLatest = (key: string): boolean => key.endsWith('/latest.json');
  for (const key of [...keys.filter(isLatest), ...keys.filter((one) => !isLatest(one))]) await store.delete(key, call);
}

/** Names under which programs write what is not finished yet. */
const isUnfinished = (path: string): boolean => /(^|\/)\.|\.(tmp|partial)(\/|$)/.test(path);

interface Listing {
  readonly text: string;
  readonly newestMs: number;
}

/** Names, sizes and times of a folder, or null while it has no file or changes under the reader. */
async function listingOf(folder: string): Promise<Listing | null> {
  const lines: string[] = [];
  let newestMs = 0;
  const walk = async (below: string): Promise<void> => {
    for (const name of (await readdir(`${folder}/${below}`)).sort()) {
      if (isUnfinished(name)) continue;
      const info = await lstat(`${folder}/${below}${name}`);
      if (info.isDirectory()) await walk(`${below}${name}/`);
      else {
        lines.push(JSON.stringify([below, name, info.size, info.mtimeMs, info.ino]));
        newestMs = Math.max(newestMs, info.mtimeMs);
      }
    }
  };
  try {
    await walk('');
  } catch {
    return null;
  }
  return lines.length === 0 ? null : { text: lines.join('\n'), newestMs };
}

/** Copies checkpoints of one running job to a store, in the background of the waiting. */
export interface CheckpointCopier {
  /** Looks once; starts a copy when the folder stands still for a moment and is not the copied one. */
  look(folder: string): Promise<void>;
  /** Copies what is there at the end of the job. */
  finish(folder: string): Promise<void>;
  /** What went wrong with the last copy, or null. A failed copy never fails the job: an older checkpoint still serves. */
  problem(): string | null;
}

/**
 * A checkpoint counts as complete when its folder was the same before, during and after the copy; a copy of a folder
 * that changed is not published. Programs write a checkpoint under a name that starts with `.` or ends in `.tmp` or
 * `.partial`, which is not copied, and rename it when it is complete.
 */
export function createCheckpointCopier(options: {
  readonly store: ArtifactStore;
  readonly seal: SealFolder;
  readonly releaseId: string;
  readonly step: string;
  readonly calls: PortCalls;
}): CheckpointCopier {
  const { store, seal, releaseId, step, calls } = options;
  let copied = '';
  let running: Promise<void> | null = null;
  let problem: string | null = null;

  async function copy(folder: string, before: Listing): Promise<void> {
    try {
      const prefix = checkpointPrefix(releaseId, step);
      const ref = await calls.transfer('copy checkpoint', (call) =>
        seal({ store, folder, prefix, exclude: isUnfinished }, call)
      );
      const after = await listingOf(folder);
      if (after?.text !== before.text) return;
      const checkpoint = { ref, savedAtMs: before.newestMs };
      await calls.change('publish checkpoint', (call) =>
        publishCheckpoint(store, { releaseId, step }, checkpoint, call)
      );
      copied = before.text;
      problem = null;
    } catch (error) {
      problem = (error instanceof Error ? error.message : String(error)).slice(0, 300);
    }
  }

  async function look(folder: string): Promise<void> {
    if (running !== null) return;
    const first = await listingOf(folder);
    if (first === null || first.text === copied) return;
    // A program that saves more often than anybody looks is never still for two looks: a short stillness has to do.
    await sleep(stillMs);
    const listing = await listingOf(folder);
    if (listing === null || listing.text !== first.text) return;
    running = copy(folder, listing).finally(() => {
      running = null;
    });
  }

  return {
    look,
    problem: () => problem,
    async finish(folder) {
      await running;
      const listing = await listingOf(folder);
      if (listing !== null && listing.text !== copied) await copy(folder, listing);
    },
  };
}

/**
 * Newest published checkpoint of a step over several stores, or null. With `skipBroken` a store that cannot be read is
 * left out, unless that goes for all of them: what lies in it could not be resumed from either.
 */
export async function findNewestCheckpoint(
  stores: readonly ArtifactStore[],
  step: { readonly releaseId: string; readonly step: string },
  calls: PortCalls,
  skipBroken: boolean
): Promise<ArtifactRef | null> {
  const key = latestKey(step.releaseId, step.step);
  let newest: LatestCheckpoint | null = null;
  let broken = 0;
  for (const store of stores) {
    try {
      const found = await calls.read('read latest checkpoint', (call) => readLatest(store, key, call));
      const latest = found?.latest ?? null;
      if (latest !== null && latest.savedAtMs > (newest?.savedAtMs ?? -1)) newest = latest;
    } catch (error) {
      broken += 1;
      if (!isPortError(error) || !skipBroken || broken === stores.length) throw error;
    }
  }
  return newest?.ref ?? null;
}
