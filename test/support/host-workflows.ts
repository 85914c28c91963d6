import { proxyActivities } from '@temporalio/workflow';

// A host that already runs Temporal: its own workflows, and ours re-exported from the same file.
export * from '@retempo/workflows';

/** Calls one activity on a task queue, once. */
export async function callOn(input: {
  readonly queue: string;
  readonly activity: string;
  readonly told?: unknown;
}): Promise<unknown> {
  const activities = proxyActivities<Record<string, (told?: unknown) => Promise<unknown>>>({
    taskQueue: input.queue,
    startToCloseTimeout: '1m',
    retry: { maximumAttempts: 1 },
  });
  return activities[input.activity]?.(input.told);
}
