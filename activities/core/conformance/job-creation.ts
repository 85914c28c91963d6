import assert from 'node:assert/strict';
import { freeCall, jobSteps, rejectsWith, type JobConformanceCase, type JobBackendHarness } from './job-harness.js';
import { withFaults, type Fault } from './lost-answers.js';

/** Faults around the create, each of which must leave exactly one started program. */
const creationFaults: readonly { readonly title: string; readonly faults: readonly Fault[] }[] = [
  { title: 'the answer of create is lost', faults: [{ method: 'create', when: 'after', times: 1 }] },
  { title: 'the request of create is lost', faults: [{ method: 'create', when: 'before', times: 1 }] },
  {
    title: 'request, then answer of create are lost',
    faults: [
      { method: 'create', when: 'before', times: 1 },
      { method: 'create', when: 'after', times: 1 },
    ],
  },
];

/** Faults that fail the activity, which Temporal then repeats. */
const repeatedFaults: readonly { readonly title: string; readonly faults: readonly Fault[] }[] = [
  { title: 'the first find fails', faults: [{ method: 'find', when: 'before', times: 1, class: 'ServiceFault' }] },
  {
    title: 'the provider throttles create',
    faults: [{ method: 'create', when: 'before', times: 1, class: 'Throttled' }],
  },
  {
    title: 'create works, but says ServiceFault',
    faults: [{ method: 'create', when: 'after', times: 1, class: 'ServiceFault' }],
  },
];

/** Cases about creating a job exactly once (J1, J6). */
export function creationCases(harness: JobBackendHarness): readonly JobConformanceCase[] {
  const steps = jobSteps(harness);

  async function runsOnce(key: string): Promise<void> {
    await steps.untilRunning(key);
    assert.equal(await harness.running(key), 1);
    await steps.stop(key);
    assert.equal(await harness.starts(key), 1);
  }

  return [
    {
      title: 'J1 create: the job is found by its key, from any worker, and its program is started once',
      async run() {
        const intent = harness.intent({ behaviour: 'succeed' });
        assert.deepEqual(await harness.open().find(intent.key, freeCall()), []);
        const ref = await steps.submit(intent);
        assert.ok(Buffer.byteLength(JSON.stringify(ref)) <= 1024, 'a reference has at most 1 KiB');
        const found = await harness.open().find(intent.key, freeCall());
        assert.deepEqual(found, [{ ...ref, specDigest: intent.specDigest }]);
        assert.equal((await steps.await(ref)).result, 'succeeded');
        assert.equal(await harness.starts(intent.key), 1);
      },
    },
    {
      title: 'J1 create: the same key again is refused by a backend that promises unique names',
      async run() {
        if (harness.open().capabilities.create === 'none') return;
        const intent = harness.intent({ behaviour: 'run' });
        await harness.open().create(intent, freeCall());
        if (harness.open().capabilities.create === 'name') {
          await rejectsWith('AlreadyExists', harness.open().create(intent, freeCall()));
        } else await harness.open().create(intent, freeCall());
        await runsOnce(intent.key);
      },
    },
    {
      title: 'J1 J6 submit: repeated and concurrent submits from several workers adopt one job',
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        const refs = await Promise.all(Array.from({ length: 6 }, () => steps.submit(intent)));
        refs.push(await steps.submit(intent));
        assert.equal(new Set(refs.map(({ id }) => id)).size, 1);
        await runsOnce(intent.key);
      },
    },
    ...creationFaults.map(({ title, faults }) => ({
      title: `J1 submit: ${title}: one job`,
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        await steps.submit(intent, withFaults(harness.open(), faults));
        await runsOnce(intent.key);
      },
    })),
    ...repeatedFaults.map(({ title, faults }) => ({
      title: `J1 submit: ${title}: the activity is repeated, one job`,
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        const backend = withFaults(harness.open(), faults);
        await assert.rejects(
          steps.submit(intent, backend),
          (error: { nonRetryable?: boolean }) => error.nonRetryable === false
        );
        await steps.submit(intent, backend);
        await runsOnce(intent.key);
      },
    })),
    {
      title: 'J1 submit: a job of the same key from another spec is a conflict and is left alone',
      async run() {
        const intent = harness.intent({ behaviour: 'run' });
        await steps.submit(intent);
        const other = { ...intent, specDigest: `sha256:${'0'.repeat(64)}` };
        await rejectsWith('Conflict', steps.submit(other));
        await runsOnce(intent.key);
      },
    },
    {
      title: 'submit: what can never run is refused as InvalidSpec, and nothing is started',
      async run() {
        const intent = harness.invalidIntent();
        await rejectsWith('InvalidSpec', steps.submit(intent));
        assert.equal(await harness.starts(intent.key), 0);
        await rejectsWith(
          'InvalidSpec',
          steps.submit({ ...harness.intent({ behaviour: 'run' }), owner: 'somebody-else' })
        );
      },
    },
    {
      title: 'describe, stop and output of an unknown job: NotFound; waiting for it: lost',
      async run() {
        const made = await steps.submit(harness.intent({ behaviour: 'succeed' }));
        const { key } = harness.intent({ behaviour: 'run' });
        const ref = { ...made, id: made.id.replaceAll(made.key, key), key };
        await rejectsWith('NotFound', harness.open().describe(ref, freeCall()));
        await rejectsWith('NotFound', harness.open().outputOf(ref, freeCall()));
        assert.equal((await steps.await(ref)).result, 'lost');
        await steps.await(made);
      },
    },
  ];
}
