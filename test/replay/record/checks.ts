import { driftCheck, jobReaper } from '@retempo/workflows';
import { controlQueue, driftCheckId, governorId, reaperId, type ModelSpec } from '@retempo/workflows/contracts';
import type { WorkflowHandle } from '@temporalio/client';
import { liveThrough } from './drift.js';
import { model, openStage, site, type Stage } from './stage.js';

// What Schedules start, and what keeps it from its end: a person, a site that is away, a model without a governor.

export async function recordChecks(): Promise<void> {
  const stage = await openStage('checks');
  const { test, world } = stage;
  const spec = await test.apply();
  await stage.ended(await stage.retrain('first version'));
  await liveThrough(stage, 5);
  await world.advanceTo(6);
  await withoutGovernor(stage, spec);
  await test.stopWorkers();
  // The site is away.
  await test.startWorkers((queue) => queue === controlQueue);
  for (const [type, start] of [
    ['driftCheck', () => checked(stage, spec)],
    ['jobReaper', () => reaped(stage)],
  ] as const) {
    await failed(stage, await start(), `${type}-site-away`, /\w/);
    await cancelled(stage, await start(), `${type}-cancelled`);
  }
}

const checked = ({ test }: Stage, spec: ModelSpec) =>
  test.client.workflow.start(driftCheck, {
    workflowId: driftCheckId(model),
    taskQueue: controlQueue,
    args: [{ v: 1, installation: test.installation, spec }],
  });

const reaped = ({ test }: Stage) =>
  test.client.workflow.start(jobReaper, {
    workflowId: reaperId(site),
    taskQueue: controlQueue,
    args: [{ v: 1, installation: test.installation, site, lookBackMs: 3_600_000 }],
  });

async function withoutGovernor(stage: Stage, spec: ModelSpec): Promise<void> {
  await stage.test.client.workflow.getHandle(governorId(model)).terminate('recorded');
  await failed(stage, await checked(stage, spec), 'driftCheck-no-governor', /has no governor that listens/);
}

async function failed({ recorder }: Stage, handle: WorkflowHandle, name: string, wanted: RegExp): Promise<void> {
  const why = await handle.result().then(
    () => '',
    (error: { readonly cause?: Error }) => error.cause?.message ?? ''
  );
  if (!wanted.test(why)) throw new Error(`${name}: wanted ${wanted.source}, got ${why === '' ? 'success' : why}`);
  await recorder.keep(name, handle.workflowId);
}

async function cancelled({ test, recorder }: Stage, handle: WorkflowHandle, name: string): Promise<void> {
  await test.until(
    'its activity waits',
    async () => (await handle.describe()).raw.pendingActivities ?? [],
    (pending) => pending.length > 0
  );
  await handle.cancel();
  await handle.result().catch(() => undefined);
  const { status } = await handle.describe();
  if (status.name !== 'CANCELLED') throw new Error(`${name}: ${status.name}`);
  await recorder.keep(name, handle.workflowId);
}
