import { randomUUID } from 'node:crypto';
import { endpointId, governorId, jobKey } from '@retempo/workflows/contracts';
import type { Sections } from '../../support/flight-project.js';
import { model, openStage, site, type Stage } from './stage.js';

// Releases of one model on one endpoint, one after the other, from the first version to one that needed a person.

const endpoint = endpointId(site, model);

export async function recordReleases(): Promise<void> {
  const stage = await openStage('releases');
  await firstVersion(stage);
  await refusedByGate(stage);
  await refusedWithAnchor(stage);
  await invalidData(stage);
  await failingProgram(stage);
  await cancelled(stage);
  await resetAndAdopted(stage);
  await terminated(stage);
  await canaryTerminated(stage);
  await rolledBack(stage);
  await approvedAndPromoted(stage);
  await rolledBackByAPerson(stage);
}

function expectResult(decision: { readonly what: string; readonly reason: string }, wanted: string): void {
  if (decision.what !== wanted) throw new Error(`wanted ${wanted}, got ${decision.what}: ${decision.reason}`);
}

async function firstVersion(stage: Stage): Promise<void> {
  const { test, recorder } = stage;
  await test.apply();
  const { runId: governorRun } = await test.client.workflow.getHandle(governorId(model)).describe();
  const runId = await stage.retrain('first version');
  expectResult(await stage.ended(runId), 'promoted');
  await stage.keepRelease(runId, { release: 'first-version', pipeline: 'first-version', gate: 'no-champion' });
  await recorder.keep('canaryDeployment-first-version', endpoint);
  await recorder.keep('continuousTraining-accept', governorId(model), governorRun);
}

/** Applies the change, runs it to the end, and takes the change back. */
async function runWith(stage: Stage, cause: string, sections: Sections, wanted: string): Promise<string> {
  await stage.change(sections);
  const runId = await stage.retrain(cause);
  expectResult(await stage.ended(runId), wanted);
  await stage.test.starters.resume({ model, actor: 'ann', reason: 'mended' });
  return runId;
}

async function refusedByGate(stage: Stage): Promise<void> {
  const parameters = { rate: 0.05, epochs: 2, shuffleLabels: true };
  const runId = await runWith(stage, 'shuffled labels', { train: { parameters } }, 'refusedByGate');
  await stage.keepRelease(runId, { release: 'refused-by-gate', pipeline: 'with-champion', gate: 'fail' });
}

/** The gate compares with an anchor too: a version that no later one may fall far behind. */
async function refusedWithAnchor(stage: Stage): Promise<void> {
  const { champion } = await stage.test.status();
  const change = {
    train: { parameters: { rate: 0.05, epochs: 2, shuffleLabels: true } },
    gate: { anchor: { version: champion!, notWorseBy: 0.05 } },
  };
  const runId = await runWith(stage, 'compared with the anchor', change, 'refusedByGate');
  await stage.keepRelease(runId, { pipeline: 'with-anchor', gate: 'anchor' });
}

async function invalidData(stage: Stage): Promise<void> {
  const validate = [{ column: 'distance', type: 'number', max: 10 }];
  const runId = await runWith(stage, 'invalid data', { data: { validate } }, 'dataInvalid');
  await stage.keepRelease(runId, { release: 'data-invalid', pipeline: 'data-invalid' });
}

async function failingProgram(stage: Stage): Promise<void> {
  const runId = await runWith(stage, 'a typo', { train: { parameters: { nonsense: 1 } } }, 'error');
  await stage.keepRelease(runId, { release: 'user-code-failed', pipeline: 'user-code-failed' });
}

const slow: Sections = { train: { parameters: { rate: 0.05, epochs: 20, secondsPerEpoch: 0.5 } } };

async function cancelled(stage: Stage): Promise<void> {
  await stage.change(slow);
  const runId = await stage.retrain('to be cancelled');
  await stage.inPhase('training');
  await untilJob(stage, runId);
  await stage.test.client.workflow.getHandle(runId).cancel();
  expectResult(await stage.ended(runId), 'cancelled');
  await stage.keepRelease(runId, { release: 'cancelled', pipeline: 'cancelled' });
}

/** Reset to before it submitted its job: the job that exists is adopted, and no second one is created. */
async function resetAndAdopted(stage: Stage): Promise<void> {
  const { client } = stage.test;
  const runId = await stage.retrain('to be reset');
  await stage.inPhase('training');
  await untilJob(stage, runId);
  const workflowId = `${runId}/pipeline`;
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  const submitted = (events ?? []).find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'submitJob'
  );
  const before = await client.workflow.getHandle(workflowId).describe();
  await client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId, runId: before.runId },
    reason: 'recorded',
    requestId: randomUUID(),
    workflowTaskFinishEventId: submitted!.activityTaskScheduledEventAttributes!.workflowTaskCompletedEventId!,
  });
  await untilClosed(stage, workflowId);
  const jobs: string[] = [];
  for await (const { key } of stage.test
    .site(site)
    .jobs!.listOwned(stage.test.installation.owner, new Date(0).toISOString(), stage.call())) {
    if (key === jobKey(runId, 'train', 1)) jobs.push(key);
  }
  if (jobs.length !== 1) throw new Error(`${jobs.length} training jobs of one attempt`);
  // The rest of the run is recorded elsewhere.
  await client.workflow.getHandle(runId).cancel();
  expectResult(await stage.ended(runId), 'cancelled');
  await stage.keepRelease(runId, { pipeline: 'reset-adopted' });
}

/** A terminated release says nothing: the governor finds out, and has the champion restored. */
async function terminated(stage: Stage): Promise<void> {
  const { test, recorder } = stage;
  const runId = await stage.retrain('to be terminated');
  await stage.inPhase('training');
  await untilJob(stage, runId);
  await test.client.workflow.getHandle(runId).terminate('recorded');
  expectResult(await stage.ended(runId), 'error');
  await untilClosed(stage, endpoint);
  await recorder.keep('modelRelease-terminated', runId);
  await recorder.keep('canaryDeployment-restore', endpoint);
  await test.starters.resume({ model, actor: 'ann', reason: 'mended' });
}

/** The canary is terminated: its release starts one that restores the champion. */
async function canaryTerminated(stage: Stage): Promise<void> {
  await stage.change({});
  const runId = await stage.retrain('its canary is terminated');
  await stage.inPhase('step');
  await stage.test.client.workflow.getHandle(endpoint).terminate('recorded');
  expectResult(await stage.ended(runId), 'rolledBack');
  await stage.keepRelease(runId, { release: 'canary-terminated' });
}

async function rolledBack(stage: Stage): Promise<void> {
  const pump = await stage.traffic();
  const parameters = { rate: 0.05, epochs: 2, strictAirports: true };
  const runId = await runWith(stage, 'an export that fails', { train: { parameters } }, 'rolledBack');
  await pump.stop();
  await stage.keepRelease(runId, { release: 'rolled-back' });
  await stage.recorder.keep('canaryDeployment-rolled-back', endpoint);
}

async function approvedAndPromoted(stage: Stage): Promise<void> {
  const { starters } = stage.test;
  await stage.change({
    gate: { approval: { quorum: 1, expires: '10m' } },
    release: { steps: [25, 50], lookEvery: '500ms' },
  });
  const runId = await stage.retrain('needs approval');
  await stage.test.until('approval', stage.test.status, (s) => s.waitingFor !== null, 120_000);
  const own = await starters.approve({ model, actor: 'ann', reason: 'mine' });
  const good = await starters.approve({ model, actor: 'bob', reason: 'looks right' });
  if (own.done || !good.done) throw new Error(JSON.stringify({ own, good }));
  const pump = await stage.traffic();
  expectResult(await stage.ended(runId), 'promoted');
  await pump.stop();
  await stage.keepRelease(runId, { release: 'approved-promoted', gate: 'approved' });
  await stage.recorder.keep('canaryDeployment-promoted', endpoint);
}

/** Nothing runs, and a person wants the champion before the present one. */
async function rolledBackByAPerson(stage: Stage): Promise<void> {
  const { test, recorder } = stage;
  const before = await test.status();
  const { runId: governorRun } = await test.client.workflow.getHandle(governorId(model)).describe();
  const told = await test.starters.rollback({ model, actor: 'ann', reason: 'customers complain' });
  if (!told.done) throw new Error(told.reason);
  await test.until('the champion before serves', test.status, (status) => status.champion !== before.champion);
  await untilClosed(stage, endpoint);
  await recorder.keep('continuousTraining-rollback', governorId(model), governorRun);
  await recorder.keep('canaryDeployment-rollback-by-person', endpoint);
}

/** Waits until the training's job was submitted and is watched. */
async function untilJob(stage: Stage, runId: string): Promise<void> {
  const pipeline = stage.test.client.workflow.getHandle(`${runId}/pipeline`);
  await stage.test.until(
    'awaitJob runs',
    async () => (await pipeline.describe()).raw.pendingActivities ?? [],
    (pending) => pending.some(({ activityType }) => activityType?.name === 'awaitJob')
  );
}

async function untilClosed(stage: Stage, workflowId: string): Promise<void> {
  const handle = stage.test.client.workflow.getHandle(workflowId);
  await stage.test.until(
    `${workflowId} closed`,
    () => handle.describe(),
    ({ status }) => status.name !== 'RUNNING'
  );
}
