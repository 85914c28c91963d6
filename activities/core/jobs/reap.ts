import { Context } from '@temporalio/activity';
import type { ReapReport } from '@retempo/workflows/contracts';
import { PortError } from '../ports/index.js';
import type { OwnedJob } from '../ports/index.js';
import { pause } from './calls.js';
import { stopAll, type StopOptions } from './stop.js';

/** Whether the workflow of a release still runs; `unknown` when there is none of that id. */
export type DescribeRelease = (releaseId: string) => Promise<'open' | 'closed' | 'unknown'>;

export interface ReapOptions extends StopOptions {
  readonly owner: string;
  readonly describeRelease: DescribeRelease;
  /** Time between the two looks at a release, in milliseconds. */
  readonly graceMs: number;
}

async function ofClosedReleases(options: ReapOptions, jobs: readonly OwnedJob[]): Promise<readonly OwnedJob[]> {
  const verdicts = new Map<string, Awaited<ReturnType<DescribeRelease>>>();
  for (const { releaseId } of jobs) {
    if (!verdicts.has(releaseId)) verdicts.set(releaseId, await options.describeRelease(releaseId));
  }
  return jobs.filter(({ releaseId }) => verdicts.get(releaseId) !== 'open');
}

/**
 * Stops the jobs of this owner whose release is closed or unknown at two looks, `graceMs` apart: a release that is just
 * starting or just stopping its own jobs is left alone. Returns when every stop is confirmed. Refuses any other owner
 * tag with `InvalidSpec`.
 */
export async function reap(
  options: ReapOptions,
  input: { readonly owner: string; readonly since: string }
): Promise<ReapReport> {
  const { backend, owner, calls } = options;
  if (input.owner !== owner) {
    throw new PortError(
      'InvalidSpec',
      `asked to reap jobs of ${JSON.stringify(input.owner)}, this installation is ${owner}`
    );
  }
  const context = Context.current();
  const running: OwnedJob[] = [];
  let looked = 0;
  const list = calls.transfer('list jobs', async (call) => {
    for await (const job of backend.listOwned(owner, input.since, call)) {
      looked += 1;
      context.heartbeat({ looked });
      if (!job.ended) running.push(job);
    }
  });
  await list;
  let suspects = await ofClosedReleases(options, running);
  if (suspects.length > 0) {
    const until = Date.now() + options.graceMs;
    while (Date.now() < until) {
      context.heartbeat({ looked, suspects: suspects.length });
      await pause(context, Math.min(options.pollMs, Math.max(1, until - Date.now())));
    }
    suspects = await ofClosedReleases(options, suspects);
  }
  await stopAll(options, suspects);
  return { looked, stopped: suspects.map(({ key, releaseId }) => ({ key, releaseId })) };
}
