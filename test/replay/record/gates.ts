import type { WorkflowHandle } from '@temporalio/client';
import { validationGate, type trainingPipeline } from '@retempo/workflows';
import {
  controlQueue,
  digestOf,
  type ApprovalDigests,
  type GateInput,
  type PipelineResult,
  type WaitingFor,
} from '@retempo/workflows/contracts';
import { getRunStatus, reject, type RunStatus } from '@retempo/workflows/messages';
import { openStage, type Stage } from './stage.js';

type Trained = Extract<PipelineResult, { result: 'trained' }>;

// Gates are asked directly, about a version that was trained: the same question with another policy each time.

export async function recordGates(): Promise<void> {
  const stage = await openStage('gates');
  const spec = await stage.test.apply();
  const runId = await stage.retrain('a version to judge');
  await stage.ended(runId);
  const trained = await resultOf(stage, runId);
  const ask = async (name: string, gate: Partial<GateInput['spec']['gate']>) => {
    const asked = { ...spec, gate: { ...spec.gate, ...gate } };
    const input: GateInput = {
      v: 1,
      installation: stage.test.installation,
      releaseId: `${runId}-${name}`,
      spec: asked,
      policyDigest: digestOf(asked.gate),
      version: trained.version,
      predictions: trained.predictions,
      champion: null,
      comparedWith: { champion: null, anchor: null },
      requestedBy: ['ann'],
    };
    return stage.test.client.workflow.start(validationGate, {
      workflowId: `${runId}/gate-${name}`,
      taskQueue: controlQueue,
      args: [input],
    });
  };
  const policy = { quorum: 1, from: ['bob'], expiresMs: 600_000 };

  const rejected = await ask('rejected', { approval: policy });
  const digests = (await untilAsked(stage, rejected)).digests!;
  const vote = (about: ApprovalDigests, actor: string, reason: string) => ({ digests: about, actor, reason });
  // A vote about something else and one by somebody who is not asked change nothing.
  const votes = [
    vote({ ...digests, model: 'sha256:0' }, 'bob', 'too early'),
    vote(digests, 'eve', 'too early'),
    vote(digests, 'bob', 'too early'),
  ];
  for (const args of votes) await rejected.executeUpdate(reject, { args: [args] });
  await rejected.result();
  await stage.recorder.keep('validationGate-rejected', rejected.workflowId);

  const expired = await ask('expired', { approval: { ...policy, expiresMs: 1_000 } });
  const inconclusive = await ask('inconclusive', { minRows: 10_000_000 });
  const cancelled = await ask('cancelled', { approval: policy });
  await untilAsked(stage, cancelled);
  await cancelled.cancel();
  await cancelled.result().catch(() => undefined);
  await expired.result();
  await inconclusive.result();
  await stage.recorder.keep('validationGate-expired', expired.workflowId);
  await stage.recorder.keep('validationGate-inconclusive', inconclusive.workflowId);
  await stage.recorder.keep('validationGate-cancelled', cancelled.workflowId);
}

async function untilAsked({ test }: Stage, gate: WorkflowHandle): Promise<WaitingFor> {
  const asks = ({ waitingFor }: RunStatus) => waitingFor !== null;
  return (await test.until('the gate asks', () => gate.query(getRunStatus), asks)).waitingFor!;
}

/** What a run's pipeline returned. */
export async function resultOf(stage: Stage, runId: string): Promise<Trained> {
  const pipeline = stage.test.client.workflow.getHandle<typeof trainingPipeline>(`${runId}/pipeline`);
  const result = await pipeline.result();
  if (result.result !== 'trained') throw new Error(`${runId}: ${result.reason}`);
  return result;
}
