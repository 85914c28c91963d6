import { Context } from '@temporalio/activity';
import type { ReapReport } from '@retempo/workflows/contracts';
import { removeLeftovers as removeTransferLeftovers } from '../artifacts/leftovers.js';
import { isPortError, PortError } from '../ports/index.js';
import type { ArtifactStore, Call, OwnedJob } from '../ports/index.js';
import { pause } from './calls.js';
import { deleteCheckpoints } from './checkpoints.js';
import { stopAll, type StopOptions } from './stop.js';

/** Whether the workflow of a release still runs; `unknown` when there is none of that id. */
export type DescribeRelease = (releaseId: string) => Promise<'open' | 'closed' | 'unknown'>;

export interface ReapOptions extends StopOptions {
  readonly owner: string;
  /** Where the checkpoints of the site's jobs are. */
  readonly store: ArtifactStore;
  readonly describeRelease: DescribeRelease;
  /** Time between the two looks at a release, in milliseconds. */
  readonly graceMs: number;
  /** How long what a broken-off transfer left in the store must have stayed as it is, in milliseconds. */
  readonly transferKeepMs: number;
}

/** The store is looked through this often while a leftover ages: each round of the reaper would cost a listing. */
const looksPerTransferKeep = 4;

/** Most jobs whose leftovers one round removes; the next round goes on. */
const maxRemovals = 500;

/** Jobs, at most `most`, whose release is not open now. */
async function ofClosedReleases(
  options: ReapOptions,
  jobs: readonly OwnedJob[],
  most = Number.POSITIVE_INFINITY
): Promise<readonly OwnedJob[]> {
  const verdicts = new Map<string, Awaited<ReturnType<DescribeRelease>>>();
  const found: OwnedJob[] = [];
  for (const job of jobs) {
    if (found.length >= most) break;
    const verdict = verdicts.get(job.releaseId) ?? (await options.describeRelease(job.releaseId));
    verdicts.set(job.releaseId, verdict);
    if (verdict !== 'open') found.push(job);
    options.calls.beat({ looked: found.length });
  }
  return found;
}

async function expiredJobs({ backend, owner, calls }: ReapOptions): Promise<readonly OwnedJob[]> {
  const { leftovers } = backend;
  if (leftovers === undefined) return [];
  return await calls.transfer('list ended jobs', async (call) => {
    const found: OwnedJob[] = [];
    for await (const job of leftovers.listExpired(owner, call)) if (job.ended) found.push(job);
    return found;
  });
}

/**
 * Removes what these jobs left at the provider, their releases' checkpoints in the store, what no job uses, and what
 * transfers that were broken off for good left in the store. One that cannot be removed keeps none of the others; its
 * error is thrown at the end.
 */
async function removeLeftovers(options: ReapOptions, jobs: readonly OwnedJob[]): Promise<number> {
  const { calls, owner, store, transferKeepMs } = options;
  const { leftovers } = options.backend;
  const errors: unknown[] = [];
  const attempt = async (what: string, work: (call: Call) => Promise<void>): Promise<boolean> => {
    try {
      await calls.transfer(what, work);
      return true;
    } catch (error) {
      if (!isPortError(error)) throw error;
      errors.push(error);
      return false;
    }
  };
  let removed = 0;
  for (const job of jobs) {
    calls.beat({ removed });
    if (await attempt('remove job', async (call) => leftovers?.remove(job, owner, call))) removed += 1;
  }
  for (const releaseId of new Set(jobs.map((job) => job.releaseId))) {
    await attempt('remove checkpoints', (call) => deleteCheckpoints(store, releaseId, call));
  }
  await attempt('remove what is not used', async (call) => leftovers?.removeUnused(call));
  await attempt('remove what broken transfers left', async (call) => {
    const lookEveryMs = transferKeepMs / looksPerTransferKeep;
    await removeTransferLeftovers({ store, olderThanMs: transferKeepMs, lookEveryMs }, call);
  });
  if (errors.length > 0) throw errors[0];
  return removed;
}

/**
 * Stops the jobs of this owner whose release is closed or unknown at two looks, `graceMs` apart: a release that is just
 * starting or just stopping its own jobs is left alone. Returns when every stop is confirmed. Then removes what ended jobs
 * of such releases left, as far as the provider keeps it no longer, and what transfers that were broken off for good left in
 * the store. Refuses any other owner tag with `InvalidSpec`.
 */
export async function reap(
  options: ReapOptions,
  input: { readonly owner: string; readonly since: string }
): Promise<ReapReport> {
  const { backend, owner, calls } = options;
  if (input.owner !== owner) {
    throw new PortError(
      'InvalidSpec',
      `asked to reap jobs of ${JSON.stringify(input.owner)}, this installation is ${owner}; run "retempo apply" so that the reaper asks for its own`
    );
  }
  const running: OwnedJob[] = [];
  let looked = 0;
  await calls.transfer('list jobs', async (call) => {
    for await (const job of backend.listOwned(owner, input.since, call)) {
      looked += 1;
      calls.beat({ looked });
      if (!job.ended) running.push(job);
    }
  });
  let strays = await ofClosedReleases(options, running);
  let expired = await ofClosedReleases(options, await expiredJobs(options), maxRemovals);
  if (strays.length + expired.length > 0) {
    const until = Date.now() + options.graceMs;
    while (Date.now() < until) {
      calls.beat({ looked, suspects: strays.length });
      await pause(Context.current(), Math.min(options.pollMs, Math.max(1, until - Date.now())));
    }
    strays = await ofClosedReleases(options, strays);
    expired = await ofClosedReleases(options, expired);
  }
  await stopAll(options, strays);
  const removed = await removeLeftovers(options, expired);
  return { looked, stopped: strays.map(({ key, releaseId }) => ({ key, releaseId })), removed };
}
