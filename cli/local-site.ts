import type { Site } from '@retempo/activities/ports';
import type { OnpremSite } from '@retempo/onprem';

/** A site whose endpoints and jobs are processes of this machine. */
export const isLocalSite = (site: Site): site is OnpremSite => 'routers' in site && 'root' in site;

/** Jobs of a site that have not ended, by id. */
export async function unfinishedJobs(site: Site, owner: string, signal: AbortSignal): Promise<readonly string[]> {
  if (site.jobs === undefined) return [];
  const found: string[] = [];
  const since = new Date(Date.now() - 30 * 86_400_000).toISOString();
  const call = { signal, deadlineMs: Date.now() + 5_000 };
  for await (const job of site.jobs.listOwned(owner, since, call)) {
    if (!job.ended) found.push(`${job.id} (${job.releaseId})`);
  }
  return found;
}
