import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Scenes 3b and 8b: months later a candidate wins on the same rows and is released step by step on live traffic, while a
 * worker and then the Temporal server are killed.
 * @param {import('../stage.mjs').Stage} stage
 */
export async function winsAndIsReleased(stage) {
  const { report, world, traffic } = stage;
  report.scene(
    '3b. A later candidate wins',
    'Weeks 11 to 19 pass. The candidate of the last four weeks is compared on the newest labelled one.'
  );
  for (let week = 11; week <= 19; week += 1) await world.advanceTo(week);
  const before = await stage.status();
  const bodies = [];
  for await (const { body } of world.requestsOf(19, { limit: 2_000 })) bodies.push(body);
  const runId = await stage.retrain('weeks of new data');
  traffic.start(bodies);
  const stepAt = (/** @type {number} */ weight) =>
    stage.follow((s) => (s.detail?.sentence ?? '').startsWith(`canary ${weight} %`), { what: `canary at ${weight} %` });
  await stepAt(5);
  report.line(`kill -9 worker east ${await stage.killWorker('east')} in the middle of the canary`);
  await stage.startWorker('east');
  await stage.follow((s) => /^canary (5|25|50) %/.test(s.detail?.sentence ?? ''), { what: 'the canary goes on' });
  report.line(`kill -9 the Temporal server ${await stage.killServer()}`);
  const decision = await stage.runToEnd('the better candidate', runId);
  await sleep(300);
  await traffic.stop();
  report.check('the better candidate is promoted', decision.what === 'promoted', decision.reason);
  const after = await stage.status();
  const weights = await stage.weights();
  report.check(
    'it serves 100 %, as read back',
    after.champion !== before.champion && weights[after.champion ?? ''] === 100,
    weights
  );
  report.check('the cooldown is forgiven', after.cooldownFactor === 1, `factor ${after.cooldownFactor}`);
  const { sent, answered, lost, failed } = traffic.counts;
  report.check('no request was lost or failed by moving the traffic', lost === 0 && failed === 0 && answered === sent, {
    sent,
    answered,
    failed,
    lost,
  });
}
