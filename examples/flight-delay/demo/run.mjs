// The whole loop on one machine. `npm run demo [-- --keep] [-- --report <file>]`; `--help` says more.
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { allDecisions } from '@retempo/activities';
import { startedPrograms, trainingProcesses } from './processes.mjs';
import { createReport } from './report.mjs';
import { openStage } from './stage.mjs';
import { refusedByTheGate, rolledBackByTheCanary } from './scenes/bad-candidates.mjs';
import { winsAndIsReleased } from './scenes/canary.mjs';
import { firstTraining } from './scenes/first-training.mjs';
import { siteLostAndApproval } from './scenes/site-lost.mjs';
import { goesStale } from './scenes/stale.mjs';

const { values } = parseArgs({
  options: { keep: { type: 'boolean' }, report: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(`npm run demo [-- --keep] [-- --report <file>]

Real Temporal server, real worker processes, real flights of 2001. A model is trained, judged, released on live traffic,
goes stale, is retrained; bad candidates are refused or rolled back; workers, the server and a site are killed meanwhile.
Exit code 0 only if every check holds.

  --keep           leave everything running afterwards, to look at it in the Web UI
  --report <file>  write the checks as JSON`);
  process.exit(0);
}

const folder = fileURLToPath(new URL('../.retempo/demo', import.meta.url));
const report = createReport({
  file: values.report === undefined ? undefined : resolve(process.env['INIT_CWD'] ?? '.', values.report),
});
if (values.report !== undefined)
  mkdirSync(dirname(resolve(process.env['INIT_CWD'] ?? '.', values.report)), { recursive: true });

const stage = await openStage({ folder, report });
const interrupted = () => {
  void stage.close().finally(() => process.exit(130));
};
process.once('SIGINT', interrupted);
process.once('SIGTERM', interrupted);
try {
  report.scene('0. Start', 'A Temporal server on a database file, one worker that decides, one for each of two sites.');
  await Promise.all([stage.startWorker('control'), stage.startWorker('east'), stage.startWorker('west')]);
  report.line(stage.keepText().split('\n')[0] ?? '');
  await firstTraining(stage);
  await goesStale(stage);
  await winsAndIsReleased(stage);
  await refusedByTheGate(stage);
  await rolledBackByTheCanary(stage);
  await siteLostAndApproval(stage);
  await lookBack();
} catch (error) {
  report.check('the demonstration reaches its end', false, error instanceof Error ? error.message : String(error));
} finally {
  if (values.keep) {
    console.log(`\nEverything is left running:\n${stage.keepText()}\nEnd it with Ctrl-C.`);
    await new Promise(() => setInterval(() => undefined, 60_000));
  }
  await stage.close().catch((error) => report.check('everything can be closed', false, String(error)));
}
const held = report.finish();
if (held) rmSync(folder, { recursive: true, force: true });
process.exit(held ? 0 : 1);

/** Who or what decided, on which numbers; and the count that matters: processes against recorded attempts. */
async function lookBack() {
  report.scene('What was decided, by whom, on which numbers');
  const call = { signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 };
  const decisions = await allDecisions(stage.opened.registry, 'flight-delay', call);
  const told = decisions.filter(({ what }) => !what.startsWith('coalesced'));
  for (const { at, by, what, reason, runId } of told) {
    const run = runId === undefined ? '' : `run ${runId.split('/').at(-1)}`;
    console.log(
      `  ${at.slice(11, 19)}  ${run.padEnd(16)} ${by.padEnd(10).slice(0, 10)} ${what.slice(0, 34).padEnd(34)} ${reason.slice(0, 130)}`
    );
  }
  console.log(`  and ${decisions.length - told.length} requests that joined a run`);
  const runs = [...new Set(decisions.flatMap(({ runId }) => (runId === undefined ? [] : [runId])))];
  let attempts = 0;
  for (const runId of runs) {
    const pipeline = await stage.client.workflow
      .getHandle(`${runId}/pipeline`)
      .result()
      .catch(() => ({ attempts: [] }));
    attempts += pipeline.attempts.filter(
      (/** @type {{ step: string, submitted: boolean }} */ a) => a.step === 'train' && a.submitted
    ).length;
  }
  const journal = startedPrograms(stage.stateFolder).filter(({ step }) => step === 'train').length;
  const processes = trainingProcesses(stage.stateFolder).length;
  report.check('training processes = training attempts recorded', attempts === processes && processes === journal, {
    attempts,
    processes,
    journal,
  });
  report.check(
    'every storm request is on record',
    decisions.filter(({ by }) => by === 'pricing').length === 250,
    '250 distinct events'
  );
}
