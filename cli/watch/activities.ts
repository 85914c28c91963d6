import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Json } from '@retempo/workflows/contracts';

/** An activity that a workflow waits for. */
export interface PendingActivity {
  readonly type: string;
  /** Whether a worker has it. */
  readonly started: boolean;
  /** From 1. */
  readonly attempt: number;
  /** Queue of the worker that has or had it; null before the first. */
  readonly queue: string | null;
  /** What it has told last; empty before its first word. */
  readonly details: { readonly [key: string]: Json };
  /** Why the last attempt failed. */
  readonly lastFailure: string | null;
}

/** What the server knows of one workflow that runs. */
export interface DescribedWorkflow {
  readonly type: string;
  readonly workflowId: string;
  readonly phase: string | null;
  readonly activities: readonly PendingActivity[];
  /** Ids of children that run. */
  readonly children: readonly string[];
}

/** `PENDING_ACTIVITY_STATE_SCHEDULED` of Temporal's API: on the queue, or between two attempts. */
const scheduled = 1;

/** Describes a workflow; null when there is none of that id. Asks no worker. */
export async function describeWorkflow(client: Client, workflowId: string): Promise<DescribedWorkflow | null> {
  try {
    const { raw, type, searchAttributes } = await client.workflow.getHandle(workflowId).describe();
    const phase = searchAttributes['RetempoPhase']?.[0];
    return {
      type,
      workflowId,
      phase: typeof phase === 'string' ? phase : null,
      activities: (raw.pendingActivities ?? []).map((activity): PendingActivity => ({
        type: activity.activityType?.name ?? 'activity',
        started: Number(activity.state) !== scheduled,
        attempt: activity.attempt ?? 1,
        // Identities of our workers begin with their queue.
        queue: activity.lastWorkerIdentity?.split(' ')[0] ?? null,
        details: detailsOf(activity.heartbeatDetails?.payloads?.[0]),
        lastFailure: activity.lastFailure?.message ?? null,
      })),
      children: (raw.pendingChildren ?? []).flatMap(({ workflowId: id }) => (typeof id === 'string' ? [id] : [])),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

function detailsOf(payload: Parameters<typeof defaultPayloadConverter.fromPayload>[0] | null | undefined): {
  readonly [key: string]: Json;
} {
  if (payload === null || payload === undefined) return {};
  const value: unknown = defaultPayloadConverter.fromPayload(payload);
  return typeof value === 'object' && value !== null ? (value as { readonly [key: string]: Json }) : {};
}

/** Failures before somebody is told: a first retry is nobody's business. */
const failuresWorthTelling = 2;

/** What an activity that keeps failing says, as a sentence; null when it does not. */
export function troubleOf({ type, attempt, lastFailure }: PendingActivity): string | null {
  if (lastFailure === null || attempt <= failuresWorthTelling) return null;
  return `${type} failed ${attempt - 1} times and is tried again: ${lastFailure.split('\n')[0] ?? ''}`;
}
