import assert from 'node:assert/strict';
import type { ArmCounts, VersionId } from '@retempo/workflows/contracts';
import {
  championAndCandidate,
  newCall,
  pause,
  setTraffic,
  type ServingCase,
  type ServingHarness,
} from './serving-harness.js';

type Tally = Map<VersionId | null, number>;

/** Sends `count` requests over 8 connections; how many each version answered, and the ids by version. */
async function send(
  harness: ServingHarness,
  count: number,
  prefix: string
): Promise<{ tally: Tally; failed: number; ids: Map<string, VersionId | null> }> {
  const tally: Tally = new Map();
  const ids = new Map<string, VersionId | null>();
  let failed = 0;
  let next = 0;
  const sender = async () => {
    while (next < count) {
      const id = `${prefix}-${next++}`;
      const { status, version } = await harness.infer(id);
      if (status !== 200) failed += 1;
      tally.set(version, (tally.get(version) ?? 0) + 1);
      ids.set(id, version);
    }
  };
  await Promise.all(Array.from({ length: 8 }, sender));
  return { tally, failed, ids };
}

async function counts(
  harness: ServingHarness,
  version: VersionId,
  options: { readonly revisions?: readonly string[]; readonly slowOverMs?: number } = {}
): Promise<ArmCounts> {
  const { metrics, endpoint } = harness;
  const { lagMs } = metrics.capabilities;
  if (lagMs > 0) await pause(lagMs);
  const reading = await metrics.readArms({ endpoint, versions: [version], ...options }, newCall());
  const arm = reading.arms[version];
  assert.ok(arm, `no counts of ${version}`);
  return arm;
}

/** Counting and splitting. */
export const servingCountCases: readonly ServingCase[] = [
  {
    name: 'the split is exact to one request at any weight',
    needs: [],
    run: async (harness) => {
      await championAndCandidate(harness);
      for (const weight of [1, 5, 25, 33, 50, 99]) {
        const revision = await setTraffic(harness, { v1: 100 - weight, v2: weight });
        await send(harness, 37, `w${weight}`);
        const part = await counts(harness, 'v2', { revisions: [revision] });
        assert.ok(Math.abs(part.requests - (37 * weight) / 100) <= 1, `${part.requests} of 37 at ${weight} %`);
        await send(harness, 163, `w${weight}b`);
        const whole = await counts(harness, 'v2', { revisions: [revision] });
        assert.equal(whole.requests, 2 * weight);
      }
    },
  },
  {
    name: 'counts are cumulative per version and revision, reading changes nothing, and unknown is null, never 0',
    needs: [],
    run: async (harness) => {
      const { metrics, endpoint } = harness;
      await championAndCandidate(harness);
      const first = await setTraffic(harness, { v1: 50, v2: 50 });
      await send(harness, 20, 'a');
      const second = await setTraffic(harness, { v1: 0, v2: 100 });
      await send(harness, 10, 'b');
      assert.equal((await counts(harness, 'v1')).requests, 10);
      assert.equal((await counts(harness, 'v2')).requests, 20);
      assert.equal((await counts(harness, 'v2', { revisions: [first] })).requests, 10);
      assert.equal((await counts(harness, 'v2', { revisions: [second] })).requests, 10);
      assert.equal((await counts(harness, 'v2', { revisions: [first, second, first] })).requests, 20);
      assert.deepEqual(await counts(harness, 'v2', { slowOverMs: 1 }), await counts(harness, 'v2', { slowOverMs: 1 }));
      const unknown = await metrics.readArms({ endpoint, versions: ['ghost'] }, newCall());
      assert.equal(unknown.arms['ghost'], null);
    },
  },
  {
    name: "the caller's own errors are counted apart and not as the version's",
    needs: [],
    run: async (harness) => {
      await championAndCandidate(harness);
      await harness.infer('good');
      const { status } = await harness.inferWrongly('bad');
      assert.ok(status >= 400 && status < 500, `expected 4xx, got ${status}`);
      const { requests, errors, callerErrors } = await counts(harness, 'v1');
      assert.deepEqual({ requests, errors, callerErrors }, { requests: 2, errors: 0, callerErrors: 1 });
    },
  },
  {
    name: 'slow requests are counted over any limit, or null when the source cannot tell',
    needs: [],
    run: async (harness) => {
      await championAndCandidate(harness);
      await send(harness, 20, 's');
      const never = (await counts(harness, 'v1', { slowOverMs: 60_000 })).slow;
      const always = (await counts(harness, 'v1', { slowOverMs: 0 })).slow;
      if (harness.metrics.capabilities.slow === 'none') assert.deepEqual([never, always], [null, null]);
      else assert.deepEqual([never, always], [0, 20]);
    },
  },
  {
    name: '200 changes of weights under load fail not one request, and every request is counted once (G2)',
    needs: [],
    run: async (harness) => {
      await championAndCandidate(harness);
      const totalsBefore = (await counts(harness, 'v1')).requests + (await counts(harness, 'v2')).requests;
      const load = { running: true };
      const loads = Array.from({ length: 4 }, async (_, lane) => {
        let sent = 0;
        let failed = 0;
        for (; load.running; sent++) {
          const { status } = await harness.infer(`lane${lane}-${sent}`);
          if (status !== 200) failed += 1;
        }
        return { sent, failed };
      });
      const revisions = new Set<string>();
      for (let i = 0; i < 200; i++) {
        const weight = (i * 37) % 101;
        revisions.add(await setTraffic(harness, { v1: 100 - weight, v2: weight }));
      }
      load.running = false;
      const results = await Promise.all(loads);
      assert.deepEqual(
        results.map(({ failed }) => failed),
        [0, 0, 0, 0]
      );
      assert.ok(revisions.size >= 199, `${revisions.size} revisions`);
      const sent = results.reduce((sum, result) => sum + result.sent, 0);
      assert.ok(sent > 0);
      const totals = (await counts(harness, 'v1')).requests + (await counts(harness, 'v2')).requests;
      assert.equal(totals - totalsBefore, sent);
    },
  },
  {
    name: 'the request log names every request exactly once, with the version that answered it',
    needs: ['readLog'],
    run: async (harness) => {
      const { metrics, endpoint } = harness;
      await championAndCandidate(harness);
      const revision = await setTraffic(harness, { v1: 60, v2: 40 });
      const { ids } = await send(harness, 500, 'log');
      await harness.inferWrongly('wrong');
      const log = await metrics.requestLog(endpoint, newCall());
      assert.ok(log);
      const rows = (await harness.readLog?.(log.glob)) ?? [];
      assert.equal(rows.length, 501);
      assert.deepEqual(
        new Map(rows.filter(({ key }) => key !== 'wrong').map(({ key, version }) => [key, version])),
        ids
      );
      for (const row of rows) {
        assert.deepEqual(Object.keys(row).sort(), ['at', 'key', 'prediction', 'revision', 'status', 'version']);
        assert.equal(row['revision'], revision);
        const isWrong = row['key'] === 'wrong';
        assert.equal(Number(row['status']) === 200, !isWrong);
        assert.equal(typeof row['prediction'], isWrong ? 'object' : 'number');
      }
    },
  },
];
