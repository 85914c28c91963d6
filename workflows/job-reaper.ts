import type { Installation, ReapReport } from './contracts/index.js';
import { stopsAt } from './proxies.js';

export interface ReaperInput {
  readonly v: 1;
  readonly installation: Installation;
  readonly site: string;
  /** Jobs created longer ago than this are not looked at, in milliseconds. */
  readonly lookBackMs: number;
}

/** Stops the jobs of one site whose release is closed or unknown. Started by a Temporal Schedule per site. */
export async function jobReaper(input: ReaperInput): Promise<ReapReport> {
  const { installation, site, lookBackMs } = input;
  return stopsAt(site, installation.limits, `stray jobs of ${site}`).reapJobs({
    owner: installation.owner,
    since: new Date(Date.now() - lookBackMs).toISOString(),
  });
}
