import { checkpointPrefix } from '@retempo/activities';
import { jobReaper } from '@retempo/workflows';
import { controlQueue, reaperId } from '@retempo/workflows/contracts';
import { openStage, site, type Stage } from './stage.js';

// What places do: a site that goes away in the middle of a training, and jobs that nobody wants any more.

export async function recordPlaces(): Promise<void> {
  const stage = await openStage('places');
  await strayJob(stage);
  await handOver(stage);
}

const slow = { train: { parameters: { rate: 0.05, epochs: 20, secondsPerEpoch: 0.7 } } };

async function reap({ test }: Stage): Promise<string> {
  const handle = await test.client.workflow.start(jobReaper, {
    workflowId: reaperId(site),
    taskQueue: controlQueue,
    args: [{ v: 1, installation: test.installation, site, lookBackMs: 3_600_000 }],
  });
  await handle.result();
  return handle.workflowId;
}

async function strayJob(stage: Stage): Promise<void> {
  const { test, recorder } = stage;
  await recorder.keep('jobReaper-nothing', await reap(stage));
  await stage.change(slow);
  const runId = await stage.retrain('its job is left behind');
  await untilTraining(stage, runId);
  // Both are gone without a word, so nobody is left who would stop the job.
  await test.client.workflow.getHandle(`${runId}/pipeline`).terminate('recorded');
  await test.client.workflow.getHandle(runId).terminate('recorded');
  await stage.ended(runId);
  await recorder.keep('jobReaper-stray-job', await reap(stage));
  await recorder.keep('trainingPipeline-terminated', `${runId}/pipeline`);
  await test.starters.resume({ model: 'flight-delay', actor: 'ann', reason: 'mended' });
}

async function handOver(stage: Stage): Promise<void> {
  const { test, recorder } = stage;
  const runId = await stage.retrain('its site goes away');
  await untilTraining(stage, runId);
  await untilCheckpoint(stage, runId);
  await test.stopWorkers();
  await test.startWorkers((queue) => !queue.includes(site));
  const pipeline = test.client.workflow.getHandle(`${runId}/pipeline`);
  const { attempts } = (await pipeline.result()) as {
    attempts: { step: string; place: string; resumedFrom: string | null }[];
  };
  const trained = attempts.filter(({ step }) => step === 'train');
  if (trained.length !== 2 || trained[1]?.resumedFrom === null) throw new Error(JSON.stringify(attempts));
  await recorder.keep('trainingPipeline-hand-over', pipeline.workflowId);
}

/** The other site goes on from what is in the store. */
async function untilCheckpoint({ test, call }: Stage, runId: string): Promise<void> {
  const keys = async () => {
    const found: string[] = [];
    for await (const key of test.opened.store.list(`${checkpointPrefix(runId, 'train')}/`, call())) found.push(key);
    return found;
  };
  await test.until('a checkpoint', keys, (found) => found.some((key) => key.endsWith('/latest.json')));
}

async function untilTraining({ test }: Stage, runId: string): Promise<void> {
  const pipeline = test.client.workflow.getHandle(`${runId}/pipeline`);
  await test.until(
    'awaitJob runs',
    async () => (await pipeline.describe().catch(() => null))?.raw.pendingActivities ?? [],
    (pending) => pending.some(({ activityType, attempt }) => activityType?.name === 'awaitJob' && attempt === 1)
  );
}
