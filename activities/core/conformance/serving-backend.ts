import assert from 'node:assert/strict';
import type { VersionId } from '@retempo/workflows/contracts';
import { servingCountCases } from './serving-backend-counts.js';
import { servingFaultCases } from './serving-backend-faults.js';
import {
  championAndCandidate,
  deployReady,
  expectRefused,
  isReady,
  newCall,
  pause,
  pollEveryMs,
  type ServingCase,
  setTraffic,
  waitForState,
  weightsOf,
} from './serving-harness.js';

export { missingForCase, type ServingCase, type ServingHarness } from './serving-harness.js';

const controlCases: readonly ServingCase[] = [
  {
    name: 'an endpoint that does not exist is NotFound, for reading and for changing',
    needs: [],
    run: async (harness) => {
      const { serving, metrics, endpoint } = harness;
      await expectRefused(serving.describe(endpoint, newCall()), 'NotFound');
      const change = { endpoint, weights: { v1: 100 }, ifRevision: 'r0', epoch: 1 };
      await expectRefused(serving.setTraffic(change, newCall()), 'NotFound');
      await expectRefused(metrics.readArms({ endpoint, versions: ['v1'] }, newCall()), 'NotFound');
    },
  },
  {
    name: 'a deployed version starts at weight 0, becomes ready, and is deployed once however often it is asked for',
    needs: [],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      const artifact = await harness.artifact('champion');
      const input = { key: 'key-v1', endpoint, version: 'v1', artifact, epoch: 1 };
      await Promise.all([serving.deploy(input, newCall()), serving.deploy(input, newCall())]);
      await serving.deploy(input, newCall());
      const state = await waitForState(harness, isReady('v1'));
      assert.deepEqual(weightsOf(state), { v1: 0 });
      await setTraffic(harness, { v1: 100 });
      await serving.deploy(input, newCall());
      assert.deepEqual(weightsOf(await serving.describe(endpoint, newCall())), { v1: 100 });
      assert.deepEqual(await harness.infer('a'), { status: 200, version: 'v1' });
    },
  },
  {
    name: 'a version id never gets other bytes (A5), not even after it was retired',
    needs: [],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await championAndCandidate(harness);
      const artifact = await harness.artifact('champion');
      const wrong = { key: 'other', endpoint, version: 'v2', artifact, epoch: 1 };
      await expectRefused(serving.deploy(wrong, newCall()), 'Conflict');
      await serving.retire({ key: 'key-v2', endpoint, version: 'v2', epoch: 1 }, newCall());
      await expectRefused(serving.deploy(wrong, newCall()), 'Conflict');
    },
  },
  {
    name: 'weights are whole percents of known versions that sum to exactly 100 (invariant 1)',
    needs: [],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      const before = await championAndCandidate(harness);
      const wrong: readonly { readonly [version: VersionId]: number }[] = [
        {},
        { v1: 99 },
        { v1: 101 },
        { v1: 99, v2: 2 },
        { v1: 50.5, v2: 49.5 },
        { v1: -1, v2: 101 },
        { v1: Number.NaN, v2: 100 },
        { v1: 90, ghost: 10 },
        { v1: 100, ghost: 0 },
        JSON.parse('{ "v1": 100, "__proto__": 0 }'),
        JSON.parse('{ "constructor": 100 }'),
      ];
      for (const weights of wrong) {
        const input = { endpoint, weights, ifRevision: before.revision, epoch: 1 };
        await expectRefused(serving.setTraffic(input, newCall()), 'InvalidSpec');
      }
      assert.deepEqual(await serving.describe(endpoint, newCall()), before);
    },
  },
  {
    name: 'a version gets no traffic before it is ready (invariant 7)',
    needs: [],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await deployReady(harness, 'v1');
      const revision = await setTraffic(harness, { v1: 100 });
      const artifact = await harness.artifact('candidate');
      await serving.deploy({ key: 'key-v2', endpoint, version: 'v2', artifact, epoch: 1 }, newCall());
      for (;;) {
        const before = await serving.describe(endpoint, newCall());
        const input = { endpoint, weights: { v1: 95, v2: 5 }, ifRevision: revision, epoch: 1 };
        const refused = await serving.setTraffic(input, newCall()).then(
          () => undefined,
          (error: unknown) => error
        );
        const after = await serving.describe(endpoint, newCall());
        if (refused === undefined) {
          assert.equal(after.versions['v2']?.ready, 1);
          return;
        }
        await expectRefused(Promise.reject(refused), 'Conflict');
        assert.equal(before.versions['v2']?.ready, 0, 'a ready version must be accepted');
        assert.deepEqual(weightsOf(after), { v1: 100, v2: 0 });
        await pause(pollEveryMs);
      }
    },
  },
  {
    name: 'a write with an old revision is refused; the same weights keep the revision',
    needs: [],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      const before = await championAndCandidate(harness);
      const first = await setTraffic(harness, { v1: 95, v2: 5 });
      assert.notEqual(first, before.revision);
      const stale = { endpoint, weights: { v1: 0, v2: 100 }, ifRevision: before.revision, epoch: 1 };
      await expectRefused(serving.setTraffic(stale, newCall()), 'Conflict');
      assert.equal(await setTraffic(harness, { v1: 95, v2: 5 }), first);
      assert.deepEqual(weightsOf(await serving.describe(endpoint, newCall())), { v1: 95, v2: 5 });
    },
  },
  {
    name: 'of many writers from one revision exactly one wins (G2)',
    needs: [],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      const { revision } = await championAndCandidate(harness);
      const attempts = Array.from({ length: 20 }, (_, i) => {
        const weights = { v1: 99 - i, v2: 1 + i };
        return serving.setTraffic({ endpoint, weights, ifRevision: revision, epoch: 1 }, newCall()).then(() => weights);
      });
      const results = await Promise.allSettled(attempts);
      const won = results.filter((result) => result.status === 'fulfilled');
      assert.equal(won.length, 1);
      for (const result of results) {
        if (result.status === 'rejected') await expectRefused(Promise.reject(result.reason), 'Conflict');
      }
      assert.deepEqual(weightsOf(await serving.describe(endpoint, newCall())), won[0]?.value);
    },
  },
  {
    name: 'a writer of an older epoch is refused in everything it tries (G7)',
    needs: ['epoch'],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await championAndCandidate(harness);
      await setTraffic(harness, { v1: 95, v2: 5 }, { epoch: 7 });
      const before = await serving.describe(endpoint, newCall());
      assert.equal(before.epoch, 7);
      const { revision } = before;
      const artifact = await harness.artifact('candidate');
      const late = { endpoint, weights: { v1: 0, v2: 100 }, ifRevision: revision, epoch: 6 };
      await expectRefused(serving.setTraffic(late, newCall()), 'Conflict');
      await expectRefused(
        serving.deploy({ key: 'late', endpoint, version: 'v3', artifact, epoch: 6 }, newCall()),
        'Conflict'
      );
      await expectRefused(serving.retire({ key: 'late', endpoint, version: 'v2', epoch: 6 }, newCall()), 'Conflict');
      assert.deepEqual(await serving.describe(endpoint, newCall()), before);
    },
  },
  {
    name: 'a version is retired only without traffic (invariant 6), and then as often as one likes',
    needs: [],
    run: async (harness) => {
      const { serving, endpoint } = harness;
      await championAndCandidate(harness);
      await setTraffic(harness, { v1: 99, v2: 1 });
      const retire = { key: 'key-v2', endpoint, version: 'v2', epoch: 1 };
      await expectRefused(serving.retire(retire, newCall()), 'Conflict');
      assert.deepEqual(weightsOf(await serving.describe(endpoint, newCall())), { v1: 99, v2: 1 });
      await setTraffic(harness, { v1: 100, v2: 0 });
      await serving.retire(retire, newCall());
      await serving.retire(retire, newCall());
      const state = await waitForState(harness, ({ busy }) => !busy);
      assert.deepEqual(weightsOf(state), { v1: 100 });
      const back = { endpoint, weights: { v1: 90, v2: 10 }, ifRevision: state.revision, epoch: 1 };
      await expectRefused(serving.setTraffic(back, newCall()), 'InvalidSpec');
      await deployReady(harness, 'v2');
      await setTraffic(harness, { v1: 0, v2: 100 });
      assert.deepEqual(await harness.infer('again'), { status: 200, version: 'v2' });
    },
  },
];

/** Everything a serving backend with its metrics source must hold; each case on a fresh endpoint. */
export const servingBackendCases: readonly ServingCase[] = [
  ...controlCases,
  ...servingCountCases,
  ...servingFaultCases,
];
