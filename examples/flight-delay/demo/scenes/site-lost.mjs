import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, startedPrograms } from '../processes.mjs';

/**
 * Scenes 7 and 6: a site is taken away in the middle of a training, the run finishes at the other one; then it waits for
 * a person, who approves from another process.
 * @param {import('../stage.mjs').Stage} stage
 */
export async function siteLostAndApproval(stage) {
  const { report, project, traffic, world } = stage;
  report.scene('7. A site is taken away', 'The machine of onprem.east goes dark in the middle of a training.');
  project.edit({ gate: { approval: { quorum: 1, expires: '10m' } }, parameters: { secondsPerEpoch: 0.4 } });
  await stage.apply();
  const runId = await stage.retrain('site drill');
  const programs = () =>
    startedPrograms(stage.stateFolder).filter((job) => job.releaseId === runId && job.step === 'train');
  while (programs().length === 0) await sleep(100);
  await stage.checkpointOf(runId);
  await sleep(1_000);
  const [first] = programs();
  if (first === undefined) throw new Error('no training was started');
  report.line(
    `onprem.east is gone: kill -9 its worker ${await stage.killWorker('east')} and its training ${first.pid}`
  );
  process.kill(-first.pid, 'SIGKILL');
  const waiting = await stage.follow((s) => s.waitingFor !== null, { what: 'approval', withinMs: 120_000 });
  const trained = programs();
  const [, second] = trained;
  report.check(
    'the training finished at the other site',
    trained.length === 2 && second?.site === 'onprem.west',
    trained.map(({ site }) => site)
  );
  const pipeline = await stage.client.workflow.getHandle(`${runId}/pipeline`).result();
  const resumed = pipeline.attempts.find(
    (/** @type {{ step: string, attempt: number }} */ a) => a.step === 'train' && a.attempt === 2
  );
  report.check('it resumed from the checkpoint of the first site', typeof resumed?.resumedFrom === 'string', resumed);
  report.check(
    'no training process is left',
    trained.every(({ pid }) => !isAlive(pid)),
    trained.map(({ pid }) => pid)
  );

  report.scene(
    '6. An approval',
    'The gate has passed; the policy asks for a person. The person approves from another process.'
  );
  report.line(waiting.waitingFor?.what ?? '');
  if (waiting.waitingFor !== null) stage.link(waiting.waitingFor.workflowId);
  await stage.startWorker('east');
  const own = await stage.retempo(['approve', 'flight-delay', '--actor', 'demo', '--why', 'I asked for it myself']);
  report.check(
    'whoever asked for the run cannot approve it',
    own.code !== 0,
    (own.stderr || own.stdout).trim().slice(0, 200)
  );
  const bodies = [];
  for await (const { body } of world.requestsOf(19, { limit: 2_000 })) bodies.push(body);
  traffic.start(bodies);
  const { code, stdout, stderr } = await stage.retempo([
    'approve',
    'flight-delay',
    '--actor',
    'ada',
    '--why',
    'looks right to me',
  ]);
  report.check('another person approves', code === 0, (stdout || stderr).trim().slice(0, 200));
  const decision = await stage.runToEnd('approved release', runId);
  await traffic.stop();
  report.check('the approved version is released', decision.what === 'promoted', decision.reason);
}
