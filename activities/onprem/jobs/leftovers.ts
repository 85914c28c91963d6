import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { PortError, type JobLeftovers, type OwnedJob } from '@retempo/activities/ports';
import type { JobIntent, JobRef } from '@retempo/workflows/contracts';
import { errorCode } from './atomic-file.js';
import type { ArtifactCache } from './cache.js';
import { isJobKey, jobPaths, jobsFolder, journalPath, readRecord, readState, type JobPaths } from './layout.js';

/** Half-made folders whose maker died are left alone this long, in milliseconds: nothing takes longer to make. */
const abandonedAfterMs = 2 * 86_400_000;
/** Size at which the journal of process starts and ends is put aside, in bytes; one older file is kept. */
const journalBytes = 16 * 1024 * 1024;

interface EndedJob {
  readonly intent: JobIntent;
  /** Epoch milliseconds. */
  readonly endedAt: number;
}

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
};

const modifiedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();

/** A job that has ended, or null. */
function endedJob(paths: JobPaths): EndedJob | null {
  const record = readRecord(paths);
  const state = readState(paths);
  if (record === null || state?.phase !== 'ended') return null;
  const endedAt = Date.parse(state.outcome.endedAt ?? '');
  return { intent: record.intent, endedAt: Number.isFinite(endedAt) ? endedAt : modifiedAt(paths.state) };
}

/** Digests of everything that jobs which have not ended were given. */
function digestsInUse(root: string): ReadonlySet<string> {
  const digests = new Set<string>();
  for (const key of namesIn(jobsFolder(root)).filter(isJobKey)) {
    const paths = jobPaths(root, key);
    if (readState(paths)?.phase === 'ended') continue;
    const spec = readRecord(paths)?.intent.spec;
    if (spec === undefined) continue;
    for (const ref of [spec.code, spec.checkpoint, ...Object.values(spec.inputs)]) {
      if (ref !== undefined) digests.add(ref.digest);
    }
  }
  return digests;
}

/**
 * What jobs leave in a site's folder, and how it goes: a job's folder (output, checkpoints, logs) `keepMs` after its end,
 * a copy of an artifact `keepMs` after a job last asked for it. Folders are moved aside in one step before they are
 * deleted; a removal that was cut off is finished by the next one.
 */
export function createLeftovers(options: {
  readonly site: string;
  readonly root: string;
  readonly keepMs: number;
  readonly cache: ArtifactCache;
  readonly guarded: <T>(work: () => T | Promise<T>) => Promise<T>;
}): JobLeftovers {
  const { site, root, keepMs, cache, guarded } = options;

  const isExpired = (job: EndedJob): boolean => Date.now() - job.endedAt >= keepMs;

  function remove(ref: JobRef, owner: string): void {
    if (ref.site !== site || !isJobKey(ref.key))
      throw new PortError('InvalidSpec', `${site} has no such job; give a reference as listExpired gave it`);
    const paths = jobPaths(root, ref.key);
    if (readRecord(paths) === null) return;
    const job = endedJob(paths);
    if (job === null || !isExpired(job)) throw new PortError('Conflict', `job ${ref.key} is still needed; keep it`);
    if (job.intent.owner !== owner)
      throw new PortError('Conflict', `job ${ref.key} does not belong to ${owner}; leave it to its owner`);
    const aside = `${jobsFolder(root)}/.gone-${ref.key}-${randomBytes(6).toString('hex')}`;
    try {
      renameSync(paths.folder, aside);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return;
      throw error;
    }
    rmSync(aside, { recursive: true, force: true });
  }

  function removeHalfMade(): void {
    const folder = jobsFolder(root);
    for (const name of namesIn(folder)) {
      const path = `${folder}/${name}`;
      const isAbandoned = name.startsWith('.new-') && Date.now() - modifiedAt(path) > abandonedAfterMs;
      if (isAbandoned || name.startsWith('.gone-')) rmSync(path, { recursive: true, force: true });
    }
  }

  function putJournalAside(): void {
    const journal = journalPath(root);
    const size = statSync(journal, { throwIfNoEntry: false })?.size ?? 0;
    if (size > journalBytes) renameSync(journal, `${journal}.1`);
  }

  return {
    async *listExpired(owner): AsyncIterable<OwnedJob> {
      for (const key of (await guarded(() => namesIn(jobsFolder(root)))).filter(isJobKey)) {
        const job = await guarded(() => endedJob(jobPaths(root, key)));
        if (job === null || job.intent.owner !== owner || !isExpired(job)) continue;
        yield { v: 1, site, id: key, key, releaseId: job.intent.releaseId, ended: true };
      }
    },
    remove: (ref, owner) => guarded(() => remove(ref, owner)),
    removeUnused: () =>
      guarded(async () => {
        removeHalfMade();
        putJournalAside();
        await cache.removeUnused({ keepMs, abandonedAfterMs, inUse: digestsInUse(root) });
      }),
  };
}
