import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Call, Site } from '@retempo/activities/ports';

/** What an endpoint was asked lately. */
export interface Traffic {
  readonly requests: number;
  /** From the first of these requests until now, in milliseconds. */
  readonly overMs: number;
}

/** Requests older than this say nothing about today, in milliseconds. */
const dayMs = 86_400_000;
/** Newest files of a request log that are read; a router begins a new one every 16 MiB. */
const mostFiles = 4;
/** Time from which a rate can be told, in milliseconds. */
const enoughMs = 10_000;

/** Counts the requests of an endpoint in its newest request logs; null when there are none, or too few to tell a rate. */
export async function recentTraffic(
  site: Pick<Site, 'metrics'> | undefined,
  endpoint: string,
  options: { readonly call: Call; readonly now: number }
): Promise<Traffic | null> {
  const { call, now } = options;
  const log = await site?.metrics?.requestLog(endpoint, call);
  if (log === undefined || log === null) return null;
  const folder = dirname(log.glob);
  const [before = '', after = ''] = basename(log.glob).split('*');
  const files = (await readdir(folder)).filter((name) => name.startsWith(before) && name.endsWith(after)).toSorted();
  let requests = 0;
  let first = now;
  for (const name of files.slice(-mostFiles)) {
    for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
      const at = Date.parse(/"at":"([^"]+)"/.exec(line)?.[1] ?? '');
      if (Number.isNaN(at) || at < now - dayMs || at > now) continue;
      requests += 1;
      first = Math.min(first, at);
    }
  }
  return now - first < enoughMs ? null : { requests, overMs: now - first };
}
