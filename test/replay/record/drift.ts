import { driftCheck } from '@retempo/workflows';
import { controlQueue, driftCheckId, governorId, type ModelSpec } from '@retempo/workflows/contracts';
import { Agent, request } from 'node:http';
import { model, openStage, site, type Stage } from './stage.js';

// Weeks pass: the flights of each are asked for, their labels come a week later, and the monitor looks at both.

const requestsPerWeek = 900;

export async function recordDrift(): Promise<void> {
  const stage = await openStage('drift');
  const { test, recorder, world } = stage;
  const spec = await stage.change({ retrain: { cooldown: '1s', on: { drift: true } } });
  await stage.ended(await stage.retrain('first version'));
  const governor = governorId(model);
  const { runId: from } = await test.client.workflow.getHandle(governor).describe();
  let alarm = false;
  for (let week = 5; week <= 10 && !alarm; week++) {
    await liveThrough(stage, week);
    await world.advanceTo(week);
    const { reports, workflowId } = await check(stage, spec);
    alarm = reports.some((report) => report.part === 'labels' && report.confirmed);
    if (week === 6) await recorder.keep('driftCheck-calm', workflowId);
    if (alarm) await recorder.keep('driftCheck-alarm', workflowId);
  }
  if (!alarm) throw new Error('the loss alarm never rose');
  const { running } = await test.until('the drift starts a run', test.status, (s) => s.running !== null);
  await stage.ended(running!.runId);
  await recorder.keep('driftCheck-nothing-due', (await check(stage, spec)).workflowId);
  // Windows fill several runs of the governor; the one in which drift started a release is kept.
  for (const run of await recorder.chain(governor, from)) {
    const { events } = await test.client.workflow.getHandle(governor, run).fetchHistory();
    if (events?.some((event) => event.startChildWorkflowExecutionInitiatedEventAttributes)) {
      await recorder.keep('continuousTraining-drift', governor, run);
    }
  }
}

async function check({ test }: Stage, spec: ModelSpec) {
  const handle = await test.client.workflow.start(driftCheck, {
    workflowId: driftCheckId(model),
    taskQueue: controlQueue,
    args: [{ v: 1, installation: test.installation, spec }],
  });
  return { ...(await handle.result()), workflowId: handle.workflowId };
}

/** Asks for the flights of a week once, in order, under their own ids: labels are joined by them. */
export async function liveThrough({ test, world, call }: Stage, week: number): Promise<void> {
  const url = await test.site(site).routers.endpointUrl(model, call());
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  for await (const { body } of world.requestsOf(week, { limit: requestsPerWeek })) {
    await new Promise<void>((resolve, reject) => {
      const text = JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const sent = request(`${url}/v2/models/${model}/infer`, { method: 'POST', agent, headers }, (answer) => {
        answer.resume();
        answer.on('end', resolve);
      });
      sent.on('error', reject);
      sent.end(text);
    });
  }
  agent.destroy();
}
