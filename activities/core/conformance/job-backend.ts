import assert from 'node:assert/strict';
import { creationCases } from './job-creation.js';
import {
  eventually,
  freeCall,
  jobSteps,
  rejectsWith,
  type JobConformanceCase,
  type JobBackendHarness,
} from './job-harness.js';
import { withFaults } from './lost-answers.js';

function outcomeCases(harness: JobBackendHarness): readonly JobConformanceCase[] {
  const steps = jobSteps(harness);
  return [
    {
      title: 'outcome: a program that ends well has succeeded, with times and an output that is collected once',
      async run() {
        const ref = await steps.submit(harness.intent({ behaviour: 'succeed' }));
        const outcome = await steps.await(ref);
        assert.equal(outcome.result, 'succeeded', outcome.message);
        assert.equal(outcome.class, undefined);
        assert.ok(Date.parse(outcome.startedAt ?? '') <= Date.parse(outcome.endedAt ?? ''));
        const collect = (required: readonly string[]) =>
          steps.inActivity(() => steps.activities().collectOutput({ ref, kind: 'versions', required }));
        const artifact = await collect(['*.txt']);
        assert.deepEqual(await collect([]), artifact, 'the same job gives the same artifact');
        assert.match(await rejectsWith('UserCodeFailed', collect(['model.onnx'])), /model\.onnx/);
      },
    },
    {
      title: 'outcome: a program that fails is the class of the user, with the end of its log in at most 2 KiB',
      async run() {
        const ref = await steps.submit(harness.intent({ behaviour: 'fail' }));
        const outcome = await steps.await(ref);
        assert.equal(outcome.result, 'failed');
        assert.equal(outcome.class, 'UserCodeFailed');
        assert.match(outcome.message, /no such column: fare/);
        assert.ok(Buffer.byteLength(outcome.message) <= 2048);
        await rejectsWith(
          'Conflict',
          steps.inActivity(() => steps.activities().collectOutput({ ref, kind: 'versions', required: [] }))
        );
      },
    },
    {
      title: 'J10 outcome: a program that exceeds its time limit is stopped and has missed its deadline',
      async run() {
        const intent = harness.intent({ behaviour: 'run', timeoutMs: 700 });
        const outcome = await steps.await(await steps.submit(intent));
        assert.equal(outcome.result, 'failed');
        assert.equal(outcome.class, 'DeadlineExceeded');
        assert.equal(await harness.running(intent.key), 0);
      },
    },
    {
      title: 'outcome: what a program reports is seen while it runs',
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        const ref = await steps.submit(intent);
        const progress = await eventually('progress', async () => {
          const state = await harness.open().describe(ref, freeCall());
          return state.phase === 'running' ? state.progress : undefined;
        });
        assert.deepEqual(progress, { progress: 0.5, step: 1 });
        await steps.stop(intent.key);
      },
    },
  ];
}

function preemptionCases(harness: JobBackendHarness): readonly JobConformanceCase[] {
  const steps = jobSteps(harness);
  const { preempt } = harness.features;
  if (preempt === null) return [];
  return [
    {
      title: 'J7 outcome: a job whose machine is taken away is preempted',
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        const ref = await steps.submit(intent);
        await steps.untilRunning(intent.key);
        await preempt(intent.key);
        const outcome = await steps.await(ref);
        assert.equal(outcome.result, 'preempted', outcome.message);
        assert.equal(outcome.class, 'Preempted');
        assert.equal(await harness.running(intent.key), 0);
      },
    },
  ];
}

function stopCases(harness: JobBackendHarness): readonly JobConformanceCase[] {
  const steps = jobSteps(harness);
  return [
    {
      title: 'J4 stop: returns when the program has really ended; the outcome says stopped',
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        const ref = await steps.submit(intent);
        await steps.untilRunning(intent.key);
        assert.deepEqual(await steps.stop(intent.key), { ended: 1 });
        assert.equal(await harness.running(intent.key), 0);
        const outcome = await steps.await(ref);
        assert.equal(outcome.result, 'stopped');
        assert.equal(outcome.class, 'Cancelled');
      },
    },
    {
      title: 'J4 stop: right after the submit, twice, and after the end; the first outcome stays',
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        const ref = await steps.submit(intent);
        await steps.stop(intent.key);
        const outcome = await steps.await(ref);
        assert.equal(outcome.result, 'stopped');
        await steps.stop(intent.key);
        assert.deepEqual(await steps.await(ref), outcome);
        assert.equal(await harness.running(intent.key), 0);
        const done = harness.intent({ behaviour: 'succeed' });
        const doneRef = await steps.submit(done);
        await steps.await(doneRef);
        await steps.stop(done.key);
        assert.equal((await steps.await(doneRef)).result, 'succeeded');
      },
    },
    {
      title: 'J4 stop: a lost answer and a lost request are asked again',
      async run() {
        for (const when of ['before', 'after'] as const) {
          const intent = harness.intent({ behaviour: 'run' });
          await steps.submit(intent);
          await steps.untilRunning(intent.key);
          const backend = withFaults(harness.open(), [{ method: 'requestStop', when, times: 1 }]);
          const stopping = steps.inActivity(() =>
            steps.activities(backend, { stopAgainMs: 200 }).stopJob({ key: intent.key })
          );
          assert.deepEqual(await stopping, { ended: 1 });
          assert.equal(await harness.running(intent.key), 0);
        }
      },
    },
    {
      title: 'J4 stop: a key without a job',
      async run() {
        assert.deepEqual(await steps.stop(harness.intent({ behaviour: 'run' }).key), { ended: 0 });
      },
    },
    {
      title: 'J2 J4 cancelling the wait ends the waiting and leaves the job alone',
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        const ref = await steps.submit(intent);
        await steps.untilRunning(intent.key);
        const environment = harness.environment();
        const input = { ref, releaseId: intent.releaseId, step: intent.step, queuedLimitMs: null };
        const waiting = environment.run(() => steps.activities().awaitJob(input));
        environment.cancel();
        await assert.rejects(waiting, (error: Error) => error.name === 'CancelledFailure');
        assert.equal(await harness.running(intent.key), 1);
        await steps.stop(intent.key);
      },
    },
  ];
}

function slotCases(harness: JobBackendHarness): readonly JobConformanceCase[] {
  const { slots } = harness.features;
  if (slots === null) return [];
  const steps = jobSteps(harness);
  const fill = async () => {
    const intents = Array.from({ length: slots }, () => harness.intent({ behaviour: 'run' }));
    for (const intent of intents) {
      await steps.submit(intent);
      await steps.untilRunning(intent.key);
    }
    return intents;
  };
  return [
    {
      title:
        'slots: a job beyond the limit says what it waits for, is never started early, and starts when there is room',
      async run() {
        const intents = await fill();
        const extra = harness.intent({ behaviour: 'succeed' });
        const ref = await steps.submit(extra);
        const state = await steps.untilPhase(ref, 'queued');
        assert.ok(state.phase === 'queued' && state.progress !== undefined, 'a queued job says what it waits for');
        const limited = steps.await(ref, 300);
        assert.match(await rejectsWith('CapacityUnavailable', limited), /queued/);
        assert.equal(await harness.starts(extra.key), 0);
        await steps.stop(intents[0]?.key ?? '');
        assert.equal((await steps.await(ref)).result, 'succeeded');
        for (const { key } of intents) await steps.stop(key);
      },
    },
    {
      title: 'J4 slots: a job that waits can be stopped and is never started',
      async run() {
        const intents = await fill();
        const extra = harness.intent({ behaviour: 'run' });
        const ref = await steps.submit(extra);
        await steps.untilPhase(ref, 'queued');
        await steps.stop(extra.key);
        assert.equal((await steps.await(ref)).result, 'stopped');
        for (const { key } of intents) await steps.stop(key);
        assert.equal(await harness.starts(extra.key), 0);
      },
    },
  ];
}

function reaperCases(harness: JobBackendHarness): readonly JobConformanceCase[] {
  const steps = jobSteps(harness);
  const since = () => new Date(Date.now() - 3_600_000).toISOString();
  return [
    {
      title: 'J5 reaper: stops jobs of closed and unknown releases, nothing else',
      async run() {
        const verdicts = { open: 'open', closed: 'closed', gone: 'unknown' } as const;
        const ours = Object.keys(verdicts).map((releaseId) => harness.intent({ behaviour: 'run', releaseId }));
        for (const intent of ours) await steps.submit(intent);
        const foreign = harness.intent({ behaviour: 'run', releaseId: 'closed', owner: 'somebody-else' });
        await harness.open().create(foreign, freeCall());
        for (const { key } of [...ours, foreign]) await eventually('job is known', () => isKnown(key));
        const reaper = steps.activities(harness.open(), {
          describeRelease: (releaseId) => Promise.resolve(verdicts[releaseId as keyof typeof verdicts] ?? 'open'),
          reapGraceMs: 100,
        });
        const report = await steps.inActivity(() => reaper.reapJobs({ owner: harness.owner, since: since() }));
        assert.deepEqual(report.stopped.map(({ releaseId }) => releaseId).sort(), ['closed', 'gone']);
        const [open, closed, gone] = ours;
        assert.equal(await harness.running(closed?.key ?? ''), 0);
        assert.equal(await harness.running(gone?.key ?? ''), 0);
        await steps.untilRunning(open?.key ?? '');
        await steps.untilRunning(foreign.key);
        await steps.stop(open?.key ?? '');
        await steps.stop(foreign.key);
      },
    },
    {
      title: 'J5 reaper: a release that is seen open at the second look keeps its jobs; another owner is refused',
      async run() {
        const intent = harness.intent({ behaviour: 'run', releaseId: 'starting' });
        await steps.submit(intent);
        await steps.untilRunning(intent.key);
        let looks = 0;
        const reaper = steps.activities(harness.open(), {
          describeRelease: (releaseId) =>
            Promise.resolve(releaseId === 'starting' && (looks += 1) === 1 ? 'unknown' : 'open'),
          reapGraceMs: 100,
        });
        const report = await steps.inActivity(() => reaper.reapJobs({ owner: harness.owner, since: since() }));
        assert.deepEqual(report.stopped, []);
        assert.equal(looks, 2);
        await rejectsWith(
          'InvalidSpec',
          steps.inActivity(() => reaper.reapJobs({ owner: 'somebody-else', since: since() }))
        );
        assert.equal(await harness.running(intent.key), 1);
        await steps.stop(intent.key);
      },
    },
  ];

  async function isKnown(key: string): Promise<boolean> {
    return (await harness.open().find(key, freeCall())).length > 0;
  }
}

/**
 * The cases that every job backend must pass, against the real thing behind it. They name the invariants they stand for
 * (J1-J10) and use no test framework: `for (const { title, run } of jobBackendCases(harness)) it(title, run)`.
 */
export const jobBackendCases = (harness: JobBackendHarness): readonly JobConformanceCase[] => [
  ...creationCases(harness),
  ...outcomeCases(harness),
  ...preemptionCases(harness),
  ...stopCases(harness),
  ...slotCases(harness),
  ...reaperCases(harness),
];
