import type { ModelSpec } from '@retempo/workflows/contracts';
import { openStage, type Stage } from './stage.js';

// Releases of models of their own that end at their gate although the version is not bad: too little proof, or people. Short
// checks, and no champion to compare with, because only what the release makes of the answer matters here.

/** The logLoss of a version that trains this shortly is about 0.43, give or take 0.06: neither kept nor broken. */
const withinDoubt = { logLoss: { atMost: 0.43 } };

const approval = { quorum: 1, from: [], expiresMs: 600_000 };

export async function recordRefusals(): Promise<void> {
  const stage = await openStage('refusals');
  const spec = await stage.test.apply();
  await Promise.all([inconclusive(stage, spec), rejected(stage, spec), expired(stage, spec)]);
}

async function release({ test, govern }: Stage, spec: ModelSpec, model: string, gate: Partial<ModelSpec['gate']>) {
  const short = { metrics: { auc: { atLeast: 0.5 } }, slices: null };
  await govern({ ...spec, model, gate: { ...spec.gate, ...short, ...gate } });
  return test.retrain('asked for', model);
}

async function keep({ recorder, ended }: Stage, runId: string, model: string, wanted: string): Promise<void> {
  const { what, reason } = await ended(runId, model);
  if (what !== wanted) throw new Error(`${model}: wanted ${wanted}, got ${what}: ${reason}`);
  await recorder.keep(`modelRelease-${model}`, runId);
}

async function inconclusive(stage: Stage, spec: ModelSpec): Promise<void> {
  const model = 'gate-inconclusive';
  await keep(stage, await release(stage, spec, model, { metrics: withinDoubt }), model, 'refusedByGate');
}

async function rejected(stage: Stage, spec: ModelSpec): Promise<void> {
  const { test } = stage;
  const model = 'gate-rejected';
  const runId = await release(stage, spec, model, { approval });
  const status = () => test.starters.getStatus(model);
  await test.until('the gate asks', status, ({ waitingFor }) => waitingFor !== null, 120_000);
  const told = await test.starters.reject({ model, actor: 'bob', reason: 'too early' });
  if (!told.done) throw new Error(told.reason);
  await keep(stage, runId, model, 'rejected');
}

async function expired(stage: Stage, spec: ModelSpec): Promise<void> {
  const model = 'gate-approval-expired';
  await keep(
    stage,
    await release(stage, spec, model, { approval: { ...approval, expiresMs: 1_000 } }),
    model,
    'rejected'
  );
}
