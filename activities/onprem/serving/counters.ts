import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArmCounts, VersionId } from '@retempo/workflows/contracts';
import { bucketCount, bucketOf, countSlower } from './latency-histogram.js';

// Cumulative counts per (revision, version). One small file per revision: only revisions that still receive requests are
// written again, so the cost does not grow with the age of an endpoint.

interface Moments {
  n: number;
  sum: number;
  sumSquares: number;
}

interface Arm {
  requests: number;
  errors: number;
  callerErrors: number;
  readonly latencyMs: Moments;
  readonly prediction: Moments;
  readonly buckets: Float64Array;
}

interface RevisionCounts {
  readonly arms: Map<VersionId, Arm>;
  changed: boolean;
}

/** One finished request. */
interface Observation {
  readonly status: number;
  readonly latencyMs: number;
  readonly prediction: number | null;
}

export interface Counters {
  /** Requests of one revision that have been counted, over all versions. */
  total(revision: number): number;
  add(revision: number, version: VersionId, observation: Observation): void;
  /**
   * Counts of one version over the given revisions (all when absent); `slow` is null when no limit is asked. Null when the
   * counts of one of these revisions could not be read back after a crash: a part is never told as the whole.
   */
  read(query: {
    readonly version: VersionId;
    readonly revisions?: readonly number[] | undefined;
    readonly slowOverMs?: number | undefined;
  }): ArmCounts | null;
  /** Writes what has changed. What has been read was written before, so that counts never fall after a crash. */
  flush(): Promise<void>;
}

const emptyMoments = (): Moments => ({ n: 0, sum: 0, sumSquares: 0 });
const emptyArm = (): Arm => ({
  requests: 0,
  errors: 0,
  callerErrors: 0,
  latencyMs: emptyMoments(),
  prediction: emptyMoments(),
  buckets: new Float64Array(bucketCount),
});

function addValue(moments: Moments, value: number): void {
  moments.n += 1;
  moments.sum += value;
  moments.sumSquares += value * value;
}

function addMoments(into: Moments, from: Moments): void {
  into.n += from.n;
  into.sum += from.sum;
  into.sumSquares += from.sumSquares;
}

function addArm(into: Arm, from: Arm): void {
  into.requests += from.requests;
  into.errors += from.errors;
  into.callerErrors += from.callerErrors;
  addMoments(into.latencyMs, from.latencyMs);
  addMoments(into.prediction, from.prediction);
  for (let i = 0; i < bucketCount; i++) into.buckets[i] = (into.buckets[i] ?? 0) + (from.buckets[i] ?? 0);
}

type StoredArm = readonly [
  VersionId,
  Omit<Arm, 'buckets'> & { readonly buckets: readonly (readonly [number, number])[] },
];
interface StoredRevision {
  readonly v: 1;
  readonly arms: readonly StoredArm[];
}

function stored(counts: RevisionCounts): StoredRevision {
  const arms = [...counts.arms].map(([version, arm]): StoredArm => {
    const buckets = [...arm.buckets.entries()].filter(([, count]) => count > 0);
    return [version, { ...arm, buckets }];
  });
  return { v: 1, arms };
}

function restored(text: string): RevisionCounts {
  const { arms } = JSON.parse(text) as StoredRevision;
  const restoredArms = arms.map(([version, arm]): [VersionId, Arm] => {
    const buckets = new Float64Array(bucketCount);
    for (const [bucket, count] of arm.buckets) buckets[bucket] = count;
    return [version, { ...arm, buckets }];
  });
  return { arms: new Map(restoredArms), changed: false };
}

/**
 * Opens the counters kept in `folder`. A file that cannot be read is put aside and its revision is unknown from then on:
 * serving goes on, counts are never guessed.
 */
export function openCounters(folder: string): Counters {
  mkdirSync(folder, { recursive: true });
  const revisions = new Map<number, RevisionCounts>();
  const unknown = new Set<number>();
  for (const name of readdirSync(folder)) {
    const [, digits, isUnreadable] = /^r(\d+)\.json(\.unreadable)?$/.exec(name) ?? [];
    const revision = Number(digits);
    const path = join(folder, name);
    if (digits === undefined) rmSync(path, { force: true });
    else if (isUnreadable !== undefined) unknown.add(revision);
    else {
      try {
        revisions.set(revision, restored(readFileSync(path, 'utf8')));
      } catch {
        renameSync(path, `${path}.unreadable`);
        unknown.add(revision);
      }
    }
  }
  let writing: Promise<void> = Promise.resolve();

  async function writeChanged(): Promise<void> {
    for (const [revision, counts] of revisions) {
      if (!counts.changed) continue;
      counts.changed = false;
      const path = join(folder, `r${revision}.json`);
      try {
        await writeFile(`${path}.tmp`, JSON.stringify(stored(counts)));
        await rename(`${path}.tmp`, path);
      } catch (error) {
        counts.changed = true;
        throw error;
      }
    }
  }

  return {
    total: (revision) =>
      [...(revisions.get(revision)?.arms.values() ?? [])].reduce((total, arm) => total + arm.requests, 0),
    add: (revision, version, observation) => {
      let counts = revisions.get(revision);
      if (counts === undefined) revisions.set(revision, (counts = { arms: new Map(), changed: true }));
      let arm = counts.arms.get(version);
      if (arm === undefined) counts.arms.set(version, (arm = emptyArm()));
      counts.changed = true;
      arm.requests += 1;
      if (observation.status >= 500) arm.errors += 1;
      else if (observation.status >= 400) arm.callerErrors += 1;
      addValue(arm.latencyMs, observation.latencyMs);
      if (observation.prediction !== null) addValue(arm.prediction, observation.prediction);
      const bucket = bucketOf(observation.latencyMs);
      arm.buckets[bucket] = (arm.buckets[bucket] ?? 0) + 1;
    },
    read: ({ version, revisions: asked, slowOverMs }) => {
      if (asked === undefined ? unknown.size > 0 : asked.some((revision) => unknown.has(revision))) return null;
      const total = emptyArm();
      for (const revision of new Set(asked ?? revisions.keys())) {
        const arm = revisions.get(revision)?.arms.get(version);
        if (arm !== undefined) addArm(total, arm);
      }
      const { requests, errors, callerErrors, latencyMs, prediction } = total;
      const slow = slowOverMs === undefined ? null : countSlower(total.buckets, slowOverMs);
      return { requests, errors, callerErrors, slow, sums: { latencyMs, prediction } };
    },
    flush: () => (writing = writing.catch(() => undefined).then(writeChanged)),
  };
}
