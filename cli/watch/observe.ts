import type { Client } from '@temporalio/client';
import type { ModelStatus, Starters } from '@retempo/starters';
import { describeWorkflow, type DescribedWorkflow } from './activities.js';

/** Everything that `watch` shows at one moment. */
export interface Observation {
  readonly status: ModelStatus;
  /** The part of the run that works now (pipeline, gate or canary), or the run itself between two parts. */
  readonly part: DescribedWorkflow | null;
}

/** Asks the governor and the gate or canary of its run, and describes the part of the run that works now. */
export async function observe(starters: Starters, client: Client, model: string): Promise<Observation> {
  const status = await starters.getStatus(model);
  if (status.running === null) return { status, part: null };
  const release = await describeWorkflow(client, status.running.runId);
  const child = release?.children.at(-1);
  return { status, part: (child === undefined ? null : await describeWorkflow(client, child)) ?? release };
}
