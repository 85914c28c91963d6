import assert from 'node:assert/strict';
import type { VersionId } from '@retempo/workflows/contracts';
import {
  championAndCandidate,
  deployReady,
  expectRefused,
  isReady,
  newCall,
  pause,
  setTraffic,
  type ServingCase,
  type ServingHarness,
  waitForState,
  weightsOf,
} from './serving-harness.js';

async function losing<T>(harness: ServingHarness, action: () => Promise<T>): Promise<T> {
  const restore = await harness.loseAnswers?.();
  try {
    return await action();
  } finally {
    await restore?.();
  }
}

const hasWeights = (weights: { readonly [version: VersionId]: number }) => (state: Parameters<typeof weightsOf>[0]) =>
  Object.entries(weights).every(([version, weight]) => state.versions[version]?.weight === weight);

/** Lost answers, leases, and processes that die. */
export const servingFaultCases: readonly ServingCase[] = [
  {
    name: 'a lost answer to a change of traffic is UnknownOutcome; reading back tells; repeating does nothing twice',
    needs: ['loseAnswers'],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      const { revision } = await championAndCandidate(harness);
      const input = { endpoint, weights: { v1: 95, v2: 5 }, ifRevision: revision, epoch: 1 };
      await losing(harness, () => expectRefused(serving.setTraffic(input, newCall()), 'UnknownOutcome'));
      const after = await serving.describe(endpoint, newCall());
      assert.deepEqual(weightsOf(after), { v1: 95, v2: 5 });
      assert.notEqual(after.revision, revision);
      await expectRefused(serving.setTraffic(input, newCall()), 'Conflict');
      assert.equal(await setTraffic(harness, { v1: 95, v2: 5 }), after.revision);
    },
  },
  {
    name: 'lost answers to deploy and retire are UnknownOutcome, and repeating them ends in the same state',
    needs: ['loseAnswers'],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await deployReady(harness, 'v1');
      await setTraffic(harness, { v1: 100 });
      const artifact = await harness.artifact('candidate');
      const deploy = { key: 'key-v2', endpoint, version: 'v2', artifact, epoch: 1 };
      await losing(harness, () => expectRefused(serving.deploy(deploy, newCall()), 'UnknownOutcome'));
      await serving.deploy(deploy, newCall());
      await waitForState(harness, isReady('v2'));
      const retire = { key: 'key-v2', endpoint, version: 'v2', epoch: 1 };
      await losing(harness, () => expectRefused(serving.retire(retire, newCall()), 'UnknownOutcome'));
      await serving.retire(retire, newCall());
      const state = await waitForState(harness, ({ busy }) => !busy);
      assert.deepEqual(weightsOf(state), { v1: 100 });
    },
  },
  {
    name: 'a lost answer to a reading is a fault that may be retried, never a number',
    needs: ['loseAnswers'],
    run: async (harness) => {
      const { serving, metrics, endpoint } = harness;
      await championAndCandidate(harness);
      await losing(harness, async () => {
        await expectRefused(serving.describe(endpoint, newCall()), 'ServiceFault', 'DeadlineExceeded');
        const counts = metrics.readArms({ endpoint, versions: ['v1'] }, newCall());
        await expectRefused(counts, 'ServiceFault', 'DeadlineExceeded');
      });
    },
  },
  {
    name: 'a lease that nobody renews gives everything to the fallback, as a revision of its own',
    needs: ['lease'],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await championAndCandidate(harness);
      const revision = await setTraffic(harness, { v1: 75, v2: 25 }, { lease: { seconds: 1, fallback: 'v1' } });
      const state = await waitForState(harness, hasWeights({ v1: 100, v2: 0 }));
      assert.notEqual(state.revision, revision);
      const late = { endpoint, weights: { v1: 50, v2: 50 }, ifRevision: revision, epoch: 1 };
      await expectRefused(serving.setTraffic(late, newCall()), 'Conflict');
      assert.deepEqual(await harness.infer('after'), { status: 200, version: 'v1' });
    },
  },
  {
    name: 'a lease is renewed by writing the same weights, and gone after a write without one',
    needs: ['lease'],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await championAndCandidate(harness);
      const lease = { seconds: 2, fallback: 'v1' };
      const revision = await setTraffic(harness, { v1: 75, v2: 25 }, { lease });
      for (let i = 0; i < 6; i++) {
        await pause(500);
        assert.equal(await setTraffic(harness, { v1: 75, v2: 25 }, { lease }), revision);
      }
      await expectRefused(serving.retire({ key: 'k', endpoint, version: 'v1', epoch: 1 }, newCall()), 'Conflict');
      await setTraffic(harness, { v1: 75, v2: 25 });
      await pause(2_500);
      const state = await serving.describe(endpoint, newCall());
      assert.deepEqual([state.revision, weightsOf(state)], [revision, { v1: 75, v2: 25 }]);
    },
  },
  {
    name: 'a lease counts on while the backend is down',
    needs: ['lease', 'crash'],
    run: async (harness) => {
      await championAndCandidate(harness);
      const revision = await setTraffic(harness, { v1: 50, v2: 50 }, { lease: { seconds: 1, fallback: 'v1' } });
      await harness.crash?.();
      await pause(1_100);
      const state = await harness.serving.describe(harness.endpoint, newCall());
      assert.deepEqual(weightsOf(state), { v1: 100, v2: 0 });
      assert.notEqual(state.revision, revision);
    },
  },
  {
    name: 'after a crash the endpoint is as it was, counts have not fallen, and it serves again (G4)',
    needs: ['crash'],
    run: async (harness) => {
      const { serving, metrics, endpoint } = harness;
      await championAndCandidate(harness);
      await setTraffic(harness, { v1: 90, v2: 10 }, { epoch: 5 });
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 25; i++) await harness.infer(`r${round}-${i}`);
        const before = await serving.describe(endpoint, newCall());
        const query = { endpoint, versions: ['v1', 'v2'], slowOverMs: 0 };
        const counted = await metrics.readArms(query, newCall());
        await harness.crash?.();
        const after = await waitForState(harness, (state) => isReady('v1')(state) && isReady('v2')(state));
        assert.deepEqual([after.revision, after.epoch, weightsOf(after)], [before.revision, 5, weightsOf(before)]);
        assert.deepEqual((await metrics.readArms(query, newCall())).arms, counted.arms);
        assert.equal((await harness.infer(`after-${round}`)).status, 200);
      }
    },
  },
  {
    name: 'a crash at any moment of a change leaves all of it or nothing (G4)',
    needs: ['crash'],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await championAndCandidate(harness);
      for (let delayMs = 0; delayMs < 10; delayMs++) {
        const old = await waitForState(harness, (state) => isReady('v1')(state) && isReady('v2')(state));
        const weights = { v1: 100 - delayMs - 1, v2: delayMs + 1 };
        const change = serving.setTraffic({ endpoint, weights, ifRevision: old.revision, epoch: 1 }, newCall()).then(
          () => 'done',
          (error: unknown) => error
        );
        await pause(delayMs);
        await harness.crash?.();
        const result = await change;
        const now = await serving.describe(endpoint, newCall());
        if (result === 'done') assert.deepEqual(weightsOf(now), weights);
        else {
          await expectRefused(Promise.reject(result), 'UnknownOutcome', 'ServiceFault');
          const expected = now.revision === old.revision ? weightsOf(old) : weights;
          assert.deepEqual(weightsOf(now), expected);
        }
      }
    },
  },
  {
    name: 'a version whose server dies is started again; its failures are its own and are never hidden by another version',
    needs: ['crashVersion'],
    run: async (harness) => {
      const { metrics, endpoint } = harness;
      await championAndCandidate(harness);
      await setTraffic(harness, { v1: 50, v2: 50 });
      await harness.crashVersion?.('v2');
      let failed = 0;
      for (let i = 0; i < 10; i++) {
        const { status, version } = await harness.infer(`dead-${i}`);
        if (status === 200) continue;
        failed += 1;
        assert.equal(version, 'v2');
        assert.ok(status >= 500, `status ${status}: another version answered, or nobody did`);
      }
      assert.ok(failed > 0, 'the dead version must have failed at least once');
      await waitForState(harness, isReady('v2'));
      const { arms } = await metrics.readArms({ endpoint, versions: ['v1', 'v2'] }, newCall());
      assert.deepEqual([arms['v1']?.errors, arms['v2']?.errors], [0, failed]);
      assert.deepEqual([arms['v1']?.requests, arms['v2']?.requests], [5, 5]);
      for (let i = 0; i < 10; i++) assert.equal((await harness.infer(`back-${i}`)).status, 200);
    },
  },
];
