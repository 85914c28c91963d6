/**
 * Scene 4: a candidate that learned from shuffled labels.
 * @param {import('../stage.mjs').Stage} stage
 */
export async function refusedByTheGate(stage) {
  const { report, project } = stage;
  report.scene(
    '4. A bad candidate',
    'Its labels were dealt to the wrong rows. The gate compares it with the champion on the same rows.'
  );
  const before = await stage.weights();
  project.edit({ parameters: { shuffleLabels: true, secondsPerEpoch: 0 } });
  await stage.apply();
  const decision = await stage.runToEnd('shuffled labels', await stage.retrain('drill: shuffled labels'));
  report.check('the gate refuses it', decision.what === 'refusedByGate', decision.reason);
  report.check('it never met traffic', JSON.stringify(await stage.weights()) === JSON.stringify(before), before);
}

/**
 * Scene 5: a candidate whose predictions are fine offline, but whose export fails for about 5 % of real requests.
 * @param {import('../stage.mjs').Stage} stage
 */
export async function rolledBackByTheCanary(stage) {
  const { report, project, traffic, world } = stage;
  report.scene(
    '5. Fine offline, failing in production',
    'Its export knows only the busiest airports: about 5 % of real requests fail.'
  );
  const before = await stage.weights();
  project.edit({ parameters: { strictAirports: true, secondsPerEpoch: 0 } });
  await stage.apply();
  const bodies = [];
  for await (const { body } of world.requestsOf(19, { limit: 3_000 })) bodies.push(body);
  const counted = { ...traffic.counts };
  traffic.start(bodies);
  const decision = await stage.runToEnd(
    'failing export',
    await stage.retrain('drill: an export that knows few airports')
  );
  await traffic.stop();
  report.check('the canary catches it and rolls back', decision.what === 'rolledBack', decision.reason);
  report.check(
    'the champion has 100 % again',
    JSON.stringify(await stage.weights()) === JSON.stringify(before),
    before
  );
  const sent = traffic.counts.sent - counted.sent;
  const failed = traffic.counts.failed - counted.failed;
  report.check(
    'no request was lost, and few met the bad version',
    traffic.counts.lost === 0 && failed > 0 && failed < sent * 0.02,
    { sent, failed, lost: traffic.counts.lost }
  );
  project.edit({});
  await stage.apply();
}
