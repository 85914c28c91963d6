const requestsPerWeek = 900;

/**
 * Scenes 2 and 3a: weeks of traffic in order; the labels tell what the features do not; a storm of requests and the drift
 * give one run, whose candidate does not help.
 * @param {import('../stage.mjs').Stage} stage
 */
export async function goesStale(stage) {
  const { report } = stage;
  report.scene(
    '2. Weeks of traffic',
    `${requestsPerWeek} flights of every week go through the router; labels arrive a week late.`
  );
  /** @type {Map<string, { verdict: string, reason: string }>} */
  const byWindow = new Map();
  let alarmAt = 0;
  for (let week = 5; week <= 10 && alarmAt === 0; week += 1) {
    for (const found of await stage.liveThrough(week, requestsPerWeek)) {
      byWindow.set(`${found.part} ${found.windowId.slice(0, 10)}`, found);
      report.line(
        `week ${week}  ${found.part.padEnd(8)} from ${found.windowId.slice(0, 10)}  ${found.verdict.padEnd(6)} ${found.reason.slice(0, 120)}`
      );
      if (found.part === 'labels' && found.confirmed) alarmAt = week;
    }
  }
  const calm = byWindow.get('labels 2001-02-05');
  report.check('the calm week stays calm', calm?.verdict === 'pass', calm?.reason);
  const features = [...byWindow].filter(([name]) => name.startsWith('features'));
  report.check(
    'the features show nothing',
    features.length > 0 && features.every(([, { verdict }]) => verdict !== 'fail'),
    `${features.length} windows`
  );
  report.check('the loss alarm rises in the bad weeks', alarmAt >= 7 && alarmAt <= 9, `at the end of week ${alarmAt}`);

  report.scene(
    '3. One retrain for many causes',
    'An operator has paused the model. A storm of 1,000 requests, many of them the same, joins the drift.'
  );
  const seqBefore = (await stage.status()).budget.used;
  // Paused, so that the storm meets one state however long it takes on a busy machine.
  await stage.starters.pause({ model: 'flight-delay', actor: 'demo', reason: 'fares are being reloaded' });
  const answers = await storm(stage);
  report.line((await stage.status()).sentence);
  await stage.starters.resume({ model: 'flight-delay', actor: 'demo', reason: 'fares are loaded' });
  const runs = new Set(answers.map(({ runId }) => runId));
  const coalesced = answers.filter(({ answer }) => answer === 'coalesced').length;
  report.line(`1,000 requests about 250 events, 20 callers at once: ${coalesced} coalesced, ${1_000 - coalesced} not`);
  report.check('every request was answered with the same run', runs.size === 1 && !runs.has(undefined), [...runs]);
  const [runId] = runs;
  if (runId === undefined) throw new Error('the storm gave no run');
  stage.link(runId);
  const decision = await stage.runToEnd('retrain after drift', runId);
  report.check('the candidate does not help and is refused', decision.what === 'refusedByGate', decision.reason);
  const after = await stage.status();
  report.check('the cooldown is doubled', after.cooldownFactor === 2, `factor ${after.cooldownFactor}`);
  report.check(
    'one run for all causes',
    after.budget.used === seqBefore + 1 && after.next === null,
    `${after.budget.used - seqBefore} run`
  );
}

/** 250 events, each four times, from 20 callers at once. @param {import('../stage.mjs').Stage} stage */
async function storm({ starters }) {
  const ids = Array.from({ length: 1_000 }, (_, i) => `fares-${i % 250}`);
  const answers = [];
  const lane = async () => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      answers.push(
        await starters.requestRetrain({ model: 'flight-delay', source: 'pricing', id, cause: `new fares ${id}` })
      );
    }
  };
  await Promise.all(Array.from({ length: 20 }, lane));
  return answers;
}
