import { hostname } from 'node:os';
import type { WorkerOptions } from '@temporalio/worker';
import type { SiteRole } from '@retempo/workflows/contracts';
import type { ConfiguredLimits } from '../configuration/config.js';

/** What a queue is for: the control queue, or one role of a site. */
export type QueueRole = 'control' | SiteRole;

/**
 * Activities that run at once on one worker. Waits only poll, so they may be many; the others are bounded by what one
 * machine can do, and `data` by memory: each of its activities scans tables.
 */
const slots: { readonly [role in QueueRole]: number } = { control: 100, jobs: 50, wait: 1_000, serving: 50, data: 2 };

/** Longest time between two heartbeats that reach the server, as Temporal's own share of the heartbeat time-out. */
export const heartbeatThrottleMs = (heartbeatMs: number): number => Math.max(100, Math.round(heartbeatMs * 0.8));

/**
 * Settings of the Worker of one queue that follow from its role and the limits of the configuration. Waits are cancelled
 * at once on shutdown, because another worker resumes them from the job's reference; everything else is given the drain
 * time to finish, since a cancelled submit could leave a job that nobody knows.
 */
export function workerSettings(options: {
  readonly role: QueueRole;
  readonly queue: string;
  readonly limits: ConfiguredLimits;
}): Partial<WorkerOptions> {
  const { role, queue, limits } = options;
  const throttle = heartbeatThrottleMs(limits.heartbeatMs);
  return {
    identity: `${queue} ${process.pid}@${hostname()}`,
    maxConcurrentActivityTaskExecutions: slots[role],
    // Idle queues cost two open polls each instead of ten; a backlog raises the number.
    activityTaskPollerBehavior: { type: 'autoscaling', minimum: 1, initial: 2, maximum: Math.min(10, slots[role]) },
    maxHeartbeatThrottleInterval: throttle,
    defaultHeartbeatThrottleInterval: throttle,
    shutdownGraceTime: role === 'wait' ? 0 : limits.drainMs,
    // The bound of a drain: after it `run` fails instead of hanging for ever.
    shutdownForceTime: limits.drainMs + 10_000,
    ...(role === 'control'
      ? {
          maxCachedWorkflows: limits.cachedWorkflows,
          stickyQueueScheduleToStartTimeout: limits.stickyTimeoutMs,
        }
      : {}),
  };
}
