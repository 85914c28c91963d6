import type { Client } from '@temporalio/client';
import { controlQueue, siteQueue, siteRoles } from '@retempo/workflows/contracts';
import { plural } from '../text/quantities.js';
import type { Finding } from './finding.js';

/** `TaskQueueType` of Temporal's API. */
const queueTypes = { workflow: 1, activity: 2 } as const;

/** What the server knows of one queue. */
export interface QueueState {
  readonly queue: string;
  /** Workers that asked for work in the last minutes. */
  readonly pollers: number;
  /** Tasks that wait. */
  readonly waiting: number;
  /** How long the oldest of them waits, in milliseconds. */
  readonly oldestMs: number;
}

/** Asks the server about one queue, workflows and activities together. */
export async function describeQueue(client: Client, namespace: string, queue: string): Promise<QueueState> {
  let state: QueueState = { queue, pollers: 0, waiting: 0, oldestMs: 0 };
  const types = queue === controlQueue ? [queueTypes.workflow, queueTypes.activity] : [queueTypes.activity];
  for (const taskQueueType of types) {
    const { pollers, stats } = await client.connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: queue },
      // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- the enum lies in a package of Temporal's internals
      taskQueueType,
      reportStats: true,
    });
    state = {
      queue,
      pollers: Math.max(state.pollers, pollers?.length ?? 0),
      waiting: state.waiting + Number(stats?.approximateBacklogCount ?? 0),
      oldestMs: Math.max(state.oldestMs, Number(stats?.approximateBacklogAge?.seconds ?? 0) * 1_000),
    };
  }
  return state;
}

/** Queues that an installation needs, each with the command that serves it. */
export const neededQueues = (sites: readonly string[]) => [
  { queue: controlQueue, start: 'retempo worker --control' },
  ...sites.flatMap((site) =>
    siteRoles.map((role) => ({ queue: siteQueue(site, role), start: `retempo worker --site ${site}` }))
  ),
];

/** Says whether a queue is served, and what waits on it since when. */
export function queueFinding(state: QueueState, start: string, now: number): Finding {
  const { queue, pollers, waiting, oldestMs } = state;
  const what = `queue ${queue}`;
  const since = new Date(now - oldestMs).toISOString().slice(11, 16);
  if (pollers > 0) {
    const behind = waiting > 0 && oldestMs > 60_000;
    const message = behind
      ? `${plural(pollers, 'worker')}, but ${plural(waiting, 'task')} wait since ${since} UTC; start one more with: ${start}`
      : plural(pollers, 'worker');
    return { level: behind ? 'warning' : 'ok', what, message };
  }
  if (waiting === 0)
    return { level: 'warning', what, message: `no worker; nothing waits yet; start one with: ${start}` };
  const verb = waiting === 1 ? 'waits' : 'wait';
  return {
    level: 'error',
    what,
    message: `no worker; ${plural(waiting, 'task')} ${verb} since ${since} UTC; start one with: ${start}`,
  };
}
