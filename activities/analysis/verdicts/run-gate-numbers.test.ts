import { describe, expect, it } from 'vitest';
import { normalQuantile, studentTSf } from '../distributions/index.js';
import { auc } from '../model-quality/index.js';
import { holm } from '../multiple-testing/index.js';
import { createRandom } from '../random.js';
import { pairedBootstrap } from '../two-arms/index.js';
import { runGate, type GateCheck, type GateResult, type GateRow, type GateSpec } from './index.js';

/** Numbers of a gate against their definitions, written down a second time. */
const key = (i: number): string => `k${String(i).padStart(5, '0')}`;
const run = (metrics: GateSpec['metrics'], rows: readonly GateRow[], spec: Partial<GateSpec> = {}): GateResult =>
  runGate({ gate: { metrics, iterations: 400, seed: 9, minRows: 2, ...spec }, rows });
const check = (result: GateResult, name: string): GateCheck => result.checks.find((part) => part.name === name)!;
/** t with this upper tail, by bisection. */
const tQuantile = (alpha: number, df: number): number => {
  let [low, high] = [0, 1e6];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (studentTSf({ t: middle, df }) > alpha) low = middle;
    else high = middle;
  }
  return low;
};
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** Standard error of a mean over groups of rows. */
const robustError = (values: readonly number[], groups: readonly number[]): number => {
  const mean = total(values) / values.length;
  const sums = new Map<number, number>();
  values.forEach((value, i) => sums.set(groups[i]!, (sums.get(groups[i]!) ?? 0) + value - mean));
  const squares = total([...sums.values()].map((sum) => sum ** 2));
  return Math.sqrt((sums.size / (sums.size - 1)) * squares) / values.length;
};

const random = createRandom(17);
const numbers = Array.from({ length: 120 }, (_, i) => ({
  key: key(i),
  label: 0,
  champion: 2 + random.uniform(),
  candidate: 2 + random.uniform(),
  cluster: (i * i) % 7,
}));
const independent = numbers.map(({ cluster: _cluster, ...row }) => row);

describe('numbers of a floor', () => {
  it('of independent rows and of clusters: t interval with the variance of the groups', () => {
    const losses = numbers.map((row) => row.candidate);
    const mean = total(losses) / 120;
    const cases = [
      [
        independent,
        120,
        robustError(
          losses,
          losses.map((_, i) => i)
        ),
      ],
      [
        numbers,
        new Set(numbers.map((row) => row.cluster)).size,
        robustError(
          losses,
          numbers.map((row) => row.cluster)
        ),
      ],
    ] as const;
    for (const [rows, groups, error] of cases) {
      const floor = check(run({ mae: { atMost: 3 } }, rows, { confidence: 0.9 }), 'mae atMost');
      expect(floor).toMatchObject({ n: 120, clusterCount: groups });
      expect(floor.estimate).toBeCloseTo(mean, 12);
      expect(floor.upper! - mean).toBeCloseTo(tQuantile(0.1, groups - 1) * error, 9);
      expect(mean - floor.lower!).toBeCloseTo(tQuantile(0.1, groups - 1) * error, 9);
    }
  });

  it('of one cluster has no ends, and of few errors no decision', () => {
    const one = check(
      run(
        { mae: { atMost: 3 } },
        numbers.map((row) => ({ ...row, cluster: 1 }))
      ),
      'mae atMost'
    );
    expect(one).toMatchObject({ verdict: 'inconclusive', lower: null, upper: null, clusterCount: 1 });
    const accuracy = (wrong: number, n = 400) => {
      const rows = Array.from({ length: n }, (_, i) => ({
        key: key(i),
        label: 1,
        candidate: i < wrong ? 0 : 1,
        cluster: i % 40,
      }));
      return check(run({ accuracy: { atLeast: 0.5 } }, rows), 'accuracy atLeast').reason;
    };
    // Of errors and of right answers 20 each are wanted, in clusters: there the limits are not exact.
    expect(accuracy(19)).toContain('fewer than 20');
    expect(accuracy(20)).not.toContain('fewer than 20');
    expect(accuracy(380)).not.toContain('fewer than 20');
    expect(accuracy(381)).toContain('fewer than 20');
  });
});

describe('numbers of a comparison', () => {
  const differences = numbers.map((row) => row.candidate - row.champion);

  it('is the percentile bootstrap, widened for few groups', () => {
    for (const rows of [numbers, independent]) {
      const clusters = rows === numbers ? numbers.map((row) => row.cluster) : undefined;
      const plain = pairedBootstrap({
        champion: numbers.map((row) => row.champion),
        candidate: numbers.map((row) => row.candidate),
        ...(clusters === undefined ? {} : { clusters }),
        confidence: 0.9,
        iterations: 400,
        seed: 9,
      });
      const groups = plain.clusterCount;
      const widen = (tQuantile(0.05, groups - 1) / normalQuantile(0.95)) * Math.sqrt(groups / (groups - 1));
      const got = check(run({ mae: { notWorseBy: 1 } }, rows), 'mae notWorseBy');
      expect(got.estimate).toBeCloseTo(total(differences) / 120, 12);
      expect(got.upper! - got.estimate!).toBeCloseTo((plain.upper - plain.difference) * widen, 9);
      expect(got.estimate! - got.lower!).toBeCloseTo((plain.difference - plain.lower) * widen, 9);
    }
  });

  it('asks totals of clusters for heavy tails from 100 clusters on', () => {
    const reason = (clusters: number): string => {
      const rows = Array.from({ length: clusters * 20 }, (_, i) => {
        // One cluster is 1 worse in every row; a row of it is nothing special among noise of 1.
        const cluster = i % clusters;
        const noise = ((i * 7919) % 1000) / 500 - 1;
        return { key: key(i), label: 0, champion: 5, candidate: 5 + noise + (cluster === 0 ? 1 : 0), cluster };
      });
      return check(run({ mae: { notWorseBy: 3 } }, rows), 'mae notWorseBy').reason;
    };
    expect(reason(99)).not.toContain('heavy tail');
    expect(reason(100)).toContain('heavy tail');
  });

  it('of AUC in clusters counts ties half and knows its own value without a champion', () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({
      key: key(i),
      label: i % 3 === 0 ? 1 : 0,
      champion: Math.round(((i % 3 === 0 ? 0.3 : 0) + 0.7 * random.uniform()) * 10) / 10,
      candidate: Math.round(((i % 3 === 0 ? 0.4 : 0) + 0.6 * random.uniform()) * 10) / 10,
      cluster: i % 15,
    }));
    const of = (arm: 'candidate' | 'champion') =>
      auc({ labels: rows.map((row) => row.label), probabilities: rows.map((row) => row[arm]) })!;
    const result = run({ auc: { atLeast: 0.5, notWorseBy: 0.5 } }, rows);
    expect(check(result, 'auc atLeast').estimate).toBeCloseTo(of('candidate'), 12);
    expect(check(result, 'auc notWorseBy').estimate).toBeCloseTo(of('candidate') - of('champion'), 12);
    for (const name of ['auc atLeast', 'auc notWorseBy']) {
      const { lower, upper, estimate, clusterCount } = check(result, name);
      expect(clusterCount).toBe(15);
      // About the width that independent rows have: the clusters are dealt at random.
      const alone = check(
        run(
          { auc: { atLeast: 0.5, notWorseBy: 0.5 } },
          rows.map(({ cluster: _cluster, ...row }) => row)
        ),
        name
      );
      expect(alone.estimate).toBeCloseTo(estimate!, 12);
      const ratio = (upper! - lower!) / (alone.upper! - alone.lower!);
      expect(ratio).toBeGreaterThan(0.6);
      expect(ratio).toBeLessThan(1.7);
    }
  });
});

describe('numbers of slices', () => {
  const sliced = independent.map((row, i) => ({ ...row, slice: { part: ['a', 'b', 'c'][i % 3]!, half: i % 2 === 0 } }));
  const spec = { slices: { by: ['part', 'half'], minRows: 30 } };

  it('are one-sided t tests against the margin, corrected over all slices, the worst first', () => {
    const result = run({ mae: { notWorseBy: 0.01 } }, sliced, spec);
    expect(result.slices).toHaveLength(5);
    for (const slice of result.slices) {
      const values = sliced
        .filter((row) => `${row.slice[slice.property as 'part' | 'half']}` === slice.value)
        .map((row) => row.candidate - row.champion);
      const n = values.length;
      const error = robustError(
        values,
        values.map((_, i) => i)
      );
      const mean = total(values) / n;
      expect(slice).toMatchObject({ n, clusterCount: n, metric: 'mae' });
      expect(slice.difference).toBeCloseTo(mean, 12);
      expect(slice.pValue).toBeCloseTo(studentTSf({ t: (mean - 0.01) / error, df: n - 1 }), 10);
      expect(slice.upper - mean).toBeCloseTo(tQuantile(0.05, n - 1) * error, 9);
    }
    const raw = result.slices.map(({ pValue }) => pValue);
    expect(raw).toEqual(raw.toSorted((a, b) => a - b));
    holm(raw).forEach((value, i) => expect(result.slices[i]!.adjustedPValue).toBeCloseTo(value, 12));
  });

  it('without any spread are decided by the side of the margin', () => {
    const constant = sliced.map((row) => ({ ...row, champion: 2, candidate: 2 + (row.slice.half ? 0.5 : 0.25) }));
    const judged = (margin: number) =>
      run({ mae: { notWorseBy: margin } }, constant, { slices: { by: ['half'], minRows: 30 } }).slices.map(
        ({ value, pValue }) => [value, pValue]
      );
    expect(judged(0.375)).toEqual([
      ['true', 0],
      ['false', 1],
    ]);
    // Exactly at the margin is not worse than it; of equal p-values the larger difference comes first.
    expect(judged(0.5)).toEqual([
      ['true', 1],
      ['false', 1],
    ]);
    expect(judged(0.1)).toEqual([
      ['true', 0],
      ['false', 0],
    ]);
  });

  it('are judged by every metric with a margin, or all with a loss per row at margin 0', () => {
    const names = (metrics: GateSpec['metrics']) =>
      new Set(run(metrics, sliced, spec).slices.map(({ metric }) => metric));
    expect(names({ mae: { notWorseBy: 1 }, mse: { atMost: 100 } })).toEqual(new Set(['mae']));
    expect(names({ mae: { atMost: 100 }, mse: { atMost: 100 } })).toEqual(new Set(['mae', 'mse']));
    expect(names({ mae: { notWorseBy: 1 }, mse: { notWorseBy: 1 } })).toEqual(new Set(['mae', 'mse']));
    const margins = run({ mae: { atMost: 100 } }, sliced, spec).checks.filter(({ kind }) => kind === 'slices');
    expect(margins.map(({ threshold }) => threshold)).toEqual([0, 0]);
  });

  it('names equal slices in the order of their names, and rows without the property', () => {
    const same = independent.map((row, i) => ({
      ...row,
      champion: 2,
      candidate: 2,
      ...(i % 4 === 0 ? {} : { slice: { part: ['b', 'a', 'c'][i % 3]! } }),
    }));
    const result = run({ mae: { notWorseBy: 0 } }, same, { slices: { by: ['part'], minRows: 30 } });
    expect(result.slices.map(({ value }) => value)).toEqual(['(missing)', 'a', 'b', 'c']);
    const few = run({ mae: { notWorseBy: 0 } }, same, { slices: { by: ['part'], minRows: 31 } });
    expect(few.slicesTooSmall).toBe(4);
    expect(check(few, 'slices part')).toMatchObject({ verdict: 'noData', n: 120 });
  });
});
