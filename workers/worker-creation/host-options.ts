import type { WorkerOptions } from '@temporalio/worker';

/** Worker options a host may add; connection, namespace and queue are decided here. */
export type HostOptions = Partial<Omit<WorkerOptions, 'connection' | 'namespace' | 'taskQueue'>>;

/** Without what is undefined: said so or left out, it is the same, and must take nothing away. */
function named<T extends object>(options: T): T {
  const left = { ...options };
  for (const key of Object.keys(left) as (keyof T)[]) if (left[key] === undefined) delete left[key];
  return left;
}

/**
 * What a host gave for every Worker, and for the control Worker beside it. Lists and named things of both are kept; only
 * of a single setting, such as the data converter, the nearer one counts.
 */
export function joinHostOptions(every: HostOptions, near: HostOptions): HostOptions {
  const joined: HostOptions = { ...named(every), ...named(near) };
  if (every.activities !== undefined && near.activities !== undefined)
    joined.activities = { ...every.activities, ...near.activities };
  if (every.sinks !== undefined && near.sinks !== undefined) joined.sinks = { ...every.sinks, ...near.sinks };
  if (every.plugins !== undefined && near.plugins !== undefined) joined.plugins = [...every.plugins, ...near.plugins];
  if (every.nexusServices !== undefined && near.nexusServices !== undefined)
    joined.nexusServices = [...every.nexusServices, ...near.nexusServices];
  if (every.interceptors !== undefined && near.interceptors !== undefined) {
    joined.interceptors = {
      ...joinLists(every.interceptors, near.interceptors),
      ...(every.interceptors.client === undefined || near.interceptors.client === undefined
        ? {}
        : { client: joinLists(every.interceptors.client, near.interceptors.client) }),
    };
  }
  return joined;
}

/** Both objects, with lists that both have one after the other. */
function joinLists(first: object, second: object): object {
  const before = new Map<string, unknown>(Object.entries(first));
  const lists = Object.entries(second).flatMap(([key, list]: [string, unknown]) => {
    const earlier = before.get(key);
    return Array.isArray(earlier) && Array.isArray(list) ? [[key, [...earlier, ...list] as unknown]] : [];
  });
  return { ...first, ...named(second), ...Object.fromEntries(lists) };
}
