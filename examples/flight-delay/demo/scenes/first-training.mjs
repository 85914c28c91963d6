import { setTimeout as sleep } from 'node:timers/promises';
import { startedPrograms, trainingProcesses } from '../processes.mjs';

/**
 * Scenes 1 and 8a: the first version, with the worker beside the training and the one that decides killed in the middle.
 * @param {import('../stage.mjs').Stage} stage
 */
export async function firstTraining(stage) {
  const { report, world } = stage;
  report.scene(
    '1. First training',
    'No version serves yet. Meanwhile two workers are killed in the middle of the training.'
  );
  await world.advanceTo(5);
  await stage.apply();
  const runId = await stage.retrain('first version');
  while (trainingProcesses(stage.stateFolder).length === 0) await sleep(100);
  await sleep(1_000);
  report.line(`kill -9 worker east ${await stage.killWorker('east')}`);
  report.line(`kill -9 worker control ${await stage.killWorker('control')}`);
  await Promise.all([stage.startWorker('east'), stage.startWorker('control')]);
  const decision = await stage.runToEnd('first release', runId);
  report.check('the first version is promoted', decision.what === 'promoted', decision.reason);
  const trained = startedPrograms(stage.stateFolder).filter((job) => job.releaseId === runId && job.step === 'train');
  report.check(
    'the training ran once although its worker was killed',
    trained.length === 1,
    `${trained.length} processes`
  );
  const { champion } = await stage.status();
  const weights = await stage.weights();
  report.check('it serves 100 %, as read back', champion !== null && weights[champion] === 100, weights);
  const gate = await stage.opened.registry.readDocument(`models/flight-delay/gates/${runId.split('/').at(-1)}`, {
    signal: AbortSignal.timeout(10_000),
    deadlineMs: Date.now() + 10_000,
  });
  const evidence = /** @type {{ result: { rubberStamp: boolean, reasons: string[] } } | undefined} */ (gate?.value);
  const reasons = evidence?.result.reasons.join('; ') ?? 'no evidence';
  report.check(
    'the gate says that there was no champion to compare with',
    evidence?.result.rubberStamp === true,
    reasons
  );
}
