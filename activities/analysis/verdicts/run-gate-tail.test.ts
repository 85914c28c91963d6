import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { runGate, type GateCheck, type GateMetricName, type GateRow, type GateSpec } from './index.js';
import { unseenTail } from './run-gate-tail.js';

const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;

/** Rows of mean absolute error: label 0, champion 10 to 11, candidate worse by `difference`. */
const rowsOf = (differences: readonly number[]): GateRow[] =>
  differences.map((difference, i) => {
    const champion = 10 + ((i * 7919) % 1000) / 1000;
    return { key: `${i}`, label: 0, champion, candidate: champion + difference, anchor: champion };
  });
const noise = (n: number, deviation: number, seed = 1): number[] => {
  const random = createRandom(seed);
  return Array.from({ length: n }, () => deviation * random.normal());
};
const judge = (
  metrics: GateSpec['metrics'],
  differences: readonly number[],
  spec: Partial<GateSpec> = {}
): GateCheck[] =>
  runGate({ gate: { metrics, iterations: 1000, seed: 3, ...spec }, rows: rowsOf(differences) }).checks.slice(1);

describe('rows too rare for the sample', () => {
  it('are at most a share ln(1 / alpha) / n, beyond what was seen', () => {
    const differences = Float64Array.from({ length: 600 }, (_, i) => (i === 7 ? 0.5 : i === 8 ? -0.8 : 0));
    const share = Math.log(20) / 600;
    const of = (name: GateMetricName, worstRow?: number) => unseenTail(name, differences, 0.05, worstRow);
    expect(of('mae', 4).share).toBeCloseTo(share, 15);
    expect(of('mae', 4)).toMatchObject({ worstRow: 4, mean: share * 3.5 });
    expect(of('mae', 0.5)).toMatchObject({ worstRow: 0.5, mean: 0 });
    // Not stated, or refuted by the row that cost .5: 5 times the largest difference of either sign.
    expect(of('mae')).toMatchObject({ worstRow: 4, mean: share * 3.5 });
    expect(of('logLoss', 0.4)).toMatchObject({ worstRow: 4, mean: share * 3.5 });
    // Two Brier scores differ by at most 1, whatever was stated or seen.
    expect(of('brier')).toMatchObject({ worstRow: 1, mean: share * 0.5 });
    expect(of('brier', 30)).toMatchObject({ worstRow: 1, mean: share * 0.5 });
    expect(of('accuracy').mean).toBe(0);
    expect(unseenTail('mae', differences, 0.01, 4).share).toBeCloseTo(Math.log(100) / 600, 15);
  });

  it('hold a gate back when they could use up what is left of the margin, and not before', () => {
    const calm = noise(500, 0.03);
    const [stated] = judge({ mae: { notWorseBy: 0.01, worstRow: 4 } }, calm);
    expect(stated!.upper!).toBeLessThan(0.01);
    expect(stated!.verdict).toBe('inconclusive');
    expect(stated!.reason).toMatch(
      /rows rarer than 1 in 166 need not be among 500: at 4 worse each they add up to 0\.02\d*, 0\.00\d+ is left$/
    );
    // Exactly what is left is enough: the allowance reaches the margin and does not cross it.
    const worst = Math.max(...calm);
    const enough = (0.01 - stated!.upper!) / (Math.log(20) / 500) + worst;
    expect(judge({ mae: { notWorseBy: 0.01, worstRow: enough * (1 - 1e-9) } }, calm)[0]!.verdict).toBe('pass');
    expect(judge({ mae: { notWorseBy: 0.01, worstRow: enough * (1 + 1e-9) } }, calm)[0]!.verdict).toBe('inconclusive');
    // Ten times the rows bear the same statement.
    expect(judge({ mae: { notWorseBy: 0.01, worstRow: 4 } }, noise(5000, 0.03))[0]!.verdict).toBe('pass');
  });

  it('are allowed for without a statement as well, little where rows are many', () => {
    for (const [n, verdict] of [
      [500, 'inconclusive'],
      [5000, 'pass'],
    ] as const) {
      const differences = noise(n, 0.1);
      const notWorseBy = judge({ mae: { notWorseBy: 1 } }, differences)[0]!.upper! + 0.002;
      const judged = judge({ mae: { notWorseBy } }, differences)[0]!;
      expect([n, judged.verdict]).toEqual([n, verdict]);
      expect(judged.reason.includes(`need not be among ${n}:`)).toBe(verdict === 'inconclusive');
    }
  });

  it('count for gains and for the pinned version, never for a failure or a floor', () => {
    const better = noise(500, 0.03).map((difference) => difference - 0.05);
    const gain = { betterBy: 0.04, worstRow: 4 };
    expect(judge({ mae: { betterBy: 0.04 } }, better)[0]!.verdict).toBe('pass');
    expect(judge({ mae: gain }, better)[0]!).toMatchObject({ verdict: 'inconclusive', kind: 'better' });
    expect(judge({ mae: { atMost: 11, worstRow: 4 } }, better)[0]!.verdict).toBe('pass');
    const anchored = judge({ mae: { notWorseBy: 0.5, worstRow: 4 } }, noise(500, 0.03), {
      anchor: { notWorseBy: 0.01 },
    });
    expect(anchored.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['notWorse', 'pass'],
      ['anchor', 'inconclusive'],
    ]);
    const worse = noise(500, 0.03).map((difference) => difference + 0.05);
    expect(judge({ mae: { notWorseBy: 0.01, worstRow: 4 } }, worse)[0]!.verdict).toBe('fail');
  });

  it('change nothing between equal versions and between right and wrong', () => {
    expect(judge({ mae: { notWorseBy: 0 } }, noise(500, 0))[0]!.verdict).toBe('pass');
    const rows = Array.from({ length: 500 }, (_, i) => ({
      key: `${i}`,
      label: 1,
      champion: i % 20 === 0 ? 0 : 1,
      candidate: i % 20 === 1 ? 0 : 1,
    }));
    const gate = { metrics: { accuracy: { notWorseBy: 0.04 } }, iterations: 1000, seed: 3 };
    expect(runGate({ gate, rows }).verdict).toBe('pass');
  });

  it.each([
    ['mae', 0],
    ['mae', -1],
    ['mae', Number.NaN],
    ['mae', Infinity],
    ['accuracy', 1],
    ['auc', 1],
  ])('refuse %s with a cost of %s', (metric, worstRow) => {
    expect(() => judge({ [metric]: { notWorseBy: 0.01, worstRow } }, [])).toThrow(
      bad(`gate.metrics.${metric}.worstRow`)
    );
  });
});

describe('reasons of runGate', () => {
  it('say every kind of doubt', () => {
    const say = (metrics: GateSpec['metrics'], rows: readonly GateRow[], spec: Partial<GateSpec> = {}) =>
      runGate({ gate: { metrics, iterations: 1000, seed: 3, ...spec }, rows }).reasons;
    const mae = { mae: { notWorseBy: 0.01 } };
    const heavy = noise(2000, 0.01).map((difference, i) => (i % 500 === 7 ? 4 : difference));
    const local = rowsOf(heavy.map((_, i) => (i < 10 ? 4 : i < 1000 ? 0.001 : 0)));
    const sliced = local.map((row, i) => ({ ...row, slice: { part: i < 1000 ? 'a' : i < 1990 ? 'b' : 'c' } }));
    const classes = Array.from({ length: 600 }, (_, i) => ({
      key: `${i}`,
      label: 1,
      champion: 0.9,
      candidate: i % 100 === 0 ? 0.1 : 0.9,
    }));
    const broken = rowsOf([0, 0, 0, 0]).map((row, i) => ({
      ...row,
      ...[{ key: '1' }, {}, { label: Number.NaN }, {}][i],
    }));
    expect({
      'rows too rare to be seen': say({ mae: { notWorseBy: 0.01, worstRow: 4 } }, rowsOf(noise(500, 0.03))),
      'heavy tail': say(mae, rowsOf(heavy)),
      'heavy tail in a slice': say({ mae: { notWorseBy: 0 } }, sliced, { slices: { by: ['part'], minRows: 500 } }),
      'few disagreements': say({ accuracy: { notWorseBy: 0.05 } }, classes),
      'one class': say({ auc: { atLeast: 0.6 } }, classes),
      'rows left out': say(
        mae,
        rowsOf(noise(700, 0)).map((row, i) => ({ ...row, trainedOn: i < 50 }))
      ),
      'bad rows': say(mae, broken),
    }).toMatchSnapshot();
  });
});
