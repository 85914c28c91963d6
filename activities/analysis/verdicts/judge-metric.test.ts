import { describe, expect, it } from 'vitest';
import { AnalysisInputError } from '../errors.js';
import { judgeMetric } from './judge-metric.js';
import { ALPHA, counts, judge, moments, step } from './judge-metric.test.util.js';
import type { MetricJudgement } from './judge-metric-types.js';

const CASES: Record<string, () => MetricJudgement> = {
  fail: () => judge([step(counts(61, 1_196), counts(92, 22_731))]),
  'fail over two steps': () =>
    judge([step(counts(12, 400), counts(80, 8_000)), step(counts(30, 1_000), counts(90, 9_000), 10)]),
  'fail while another step is missing': () =>
    judge([step(counts(61, 1_196), counts(92, 22_731)), step(null, counts(1, 9), 10)]),
  'fail latched': () => {
    const first = judge([step(counts(61, 1_196), counts(92, 22_731))]);
    return judge([step(counts(61, 90_000), counts(92, 1_800_000))], {}, { previous: first.state });
  },
  'pass below safeBelow': () => judge([step(counts(30, 3_000), counts(600, 57_000))]),
  'pass as small': () => judge([step(counts(0, 330), counts(0, 6_270))]),
  'pass though worse, within what is allowed': () => judge([step(counts(1_300, 100_000), counts(10_000, 1_000_000))]),
  'pass though worse, because small': () => judge([step(counts(40, 20_000), counts(200, 380_000))]),
  'inconclusive at first': () => judge([step(counts(3, 200), counts(38, 3_800))]),
  'inconclusive without events': () => judge([step(counts(0, 30), counts(0, 570))]),
  'inconclusive below minUnits': () => judge([step(counts(0, 400), counts(0, 7_600))], { minUnits: 500 }),
  'no data in the current step': () =>
    judge([step(counts(1, 100), counts(19, 1_900)), step(counts(0, 0), counts(1, 40), 10)]),
  'no data at all': () => judge([]),
  'missing arm': () => judge([step(null, counts(19, 1_900))]),
  'provider error': () => judge([step(counts(1, 100), { error: '429 Too Many Requests' })]),
  'data lost': () =>
    judge(
      [step(counts(1, 100), counts(19, 1_900))],
      {},
      { previous: judge([step(counts(1, 200), counts(38, 3_800))]).state }
    ),
  overdispersed: () => judge([step(counts(61, 1_196), counts(92, 22_731))], { overdispersion: 3, unit: 'session' }),
  'steps that contradict each other': () =>
    judge([step(counts(900, 1_000), counts(10, 1_000), 50), step(counts(5, 1_000), counts(500, 1_000), 60)]),
  'a bad step after a very good one': () =>
    judge([step(counts(50, 10_000), counts(500, 10_000), 50), step(counts(400, 2_000), counts(20, 2_000), 60)]),
  'higher is better': () =>
    judge([step(counts(900, 10_000), counts(1_200, 10_000), 50)], {
      name: 'conversions',
      direction: 'higherIsBetter',
      safeBelow: 1.1,
      unit: 'visit',
    }),
  'mean, ratio, fail': () =>
    judge([step(moments(2_000, 60, 10), moments(20_000, 50, 10))], {
      name: 'latency',
      safeBelow: 1.1,
      valueUnit: 'ms',
    }),
  'mean, ratio, pass': () =>
    judge([step(moments(2_000, 50, 10), moments(20_000, 50, 10))], {
      name: 'latency',
      safeBelow: 1.1,
      valueUnit: 'ms',
    }),
  'mean, difference, fail': () =>
    judge([step(moments(2_000, 4, 10), moments(20_000, -1, 10))], {
      name: 'bias',
      scale: 'difference',
      safeBelow: 2,
      valueUnit: 'cents',
    }),
  'mean, burn-in': () =>
    judge([step(moments(99, 50, 10), moments(2_000, 50, 10))], { name: 'latency', safeBelow: 1.1 }),
  'mean, constant': () => judge([step(moments(500, 5, 0), moments(500, 5, 0))], { name: 'latency', safeBelow: 1.1 }),
  'mean, ratio of a mean at zero': () =>
    judge([step(moments(500, 5, 1), moments(500, -1, 1))], { name: 'latency', safeBelow: 1.1 }),
};

describe('judgeMetric', () => {
  it('says why in sentences with numbers and units', () => {
    const shown = Object.fromEntries(
      Object.entries(CASES).map(([name, run]) => {
        const { verdict, reasons } = run();
        return [name, [verdict, ...reasons]];
      })
    );
    expect(shown).toMatchSnapshot();
  });

  it('gives the expected verdicts', () => {
    const verdicts = Object.fromEntries(Object.entries(CASES).map(([name, run]) => [name, run().verdict]));
    expect(verdicts).toEqual({
      fail: 'fail',
      'fail over two steps': 'fail',
      'fail while another step is missing': 'fail',
      'fail latched': 'fail',
      'pass below safeBelow': 'pass',
      'pass as small': 'pass',
      'pass though worse, within what is allowed': 'pass',
      'pass though worse, because small': 'pass',
      'inconclusive at first': 'inconclusive',
      'inconclusive without events': 'inconclusive',
      'inconclusive below minUnits': 'inconclusive',
      'no data in the current step': 'noData',
      'no data at all': 'noData',
      'missing arm': 'noData',
      'provider error': 'error',
      'data lost': 'error',
      overdispersed: 'fail',
      'steps that contradict each other': 'fail',
      'a bad step after a very good one': 'fail',
      'higher is better': 'fail',
      'mean, ratio, fail': 'fail',
      'mean, ratio, pass': 'pass',
      'mean, difference, fail': 'fail',
      'mean, burn-in': 'inconclusive',
      'mean, constant': 'inconclusive',
      'mean, ratio of a mean at zero': 'inconclusive',
    });
  });

  it('calls a rate small at the sizes that the design names, and not one request earlier', () => {
    for (const [ignoreBelow, least] of [
      [0.01, 329],
      [0.005, 630],
      [0.002, 1_530],
    ] as const) {
      const at = (trials: number) => judge([step(counts(0, trials), counts(0, trials))], { ignoreBelow });
      expect(at(least).verdict).toBe('pass');
      expect(at(least).small).toBe(true);
      expect(at(least - 1).verdict).toBe('inconclusive');
      expect(at(least).ignoreBelow).toBe(ignoreBelow);
    }
    expect(judge([step(counts(0, 9_000), counts(0, 9_000))], { ignoreBelow: null }).verdict).toBe('inconclusive');
  });

  it('does not roll back for 3 errors in 3,000 against none', () => {
    expect(judge([step(counts(3, 3_000), counts(0, 57_000))]).verdict).toBe('pass');
    expect(judge([step(counts(30, 3_000), counts(0, 57_000))]).verdict).toBe('fail');
  });

  it('combines steps, so that a changing mix does not flip the sign', () => {
    // Worse in both steps, better when pooled.
    const steps = [
      step(counts(350, 5_000), counts(4_750, 95_000)),
      step(counts(1_400, 100_000), counts(1_000, 100_000), 50),
    ];
    const pooled = judge([step(counts(1_750, 105_000), counts(5_750, 195_000))]);
    expect(pooled.verdict).toBe('pass');
    expect(pooled.estimate).toBeLessThan(1);
    const got = judge(steps, { safeBelow: 1.2 });
    expect(got.verdict).toBe('fail');
    expect(got.estimate).toBeGreaterThan(1.3);
  });

  it('takes a pass back, but never a fail', () => {
    const good = judge([step(counts(30, 3_000), counts(600, 57_000))]);
    expect(good.verdict).toBe('pass');
    const bad = judge([step(counts(200, 4_000), counts(760, 76_000))], {}, { previous: good.state });
    expect(bad.verdict).toBe('fail');
    const later = judge([step(counts(300, 40_000), counts(7_600, 760_000))], {}, { previous: bad.state });
    expect(later.verdict).toBe('fail');
    expect(later.state.failed).toBe(bad.state.failed);
    expect(later.reasons[0]).toContain('stays failed');
    // The same data without the state of before would pass.
    expect(judge([step(counts(300, 40_000), counts(7_600, 760_000))]).verdict).toBe('pass');
  });

  it('needs 100 units per arm for a mean, in the current step', () => {
    const spec = { safeBelow: 1.5 };
    const good = step(moments(5_000, 50, 10), moments(5_000, 50, 10), 50);
    expect(judge([good], spec).verdict).toBe('pass');
    expect(judge([good, step(moments(99, 50, 10), moments(5_000, 50, 10), 60)], spec).verdict).toBe('inconclusive');
    expect(judge([good, step(moments(100, 50, 10), moments(100, 50, 10), 60)], spec).verdict).toBe('pass');
    expect(judge([step(moments(99, 90, 1), moments(5_000, 50, 1))], spec).estimate).toBeNull();
  });

  it('keeps its state JSON-safe', () => {
    for (const run of Object.values(CASES)) {
      const { state } = run();
      expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      expect(Object.values(state).every((value) => typeof value !== 'number' || Number.isFinite(value))).toBe(true);
    }
  });

  it('has defaults for every limit', () => {
    const { worseThan, safeBelow, ignoreBelow, alpha } = judge([step(counts(1, 9), counts(1, 9))]);
    expect([worseThan, safeBelow, ignoreBelow, alpha]).toEqual([1, 2, 0.01, 0.05]);
    const mean = judge([step(moments(500, 1, 1), moments(500, 1, 1))], { scale: 'difference', safeBelow: 1 });
    expect([mean.worseThan, mean.safeBelow, mean.ignoreBelow]).toEqual([0, 1, null]);
  });

  it('names what is wrong with bad input', () => {
    const good = [step(counts(1, 9), counts(1, 9))];
    const bad: [string, () => unknown][] = [
      ['spec.safeBelow', () => judge(good, { worseThan: 2, safeBelow: 1.5 })],
      ['spec.safeBelow', () => judge([step(moments(500, 1, 1), moments(500, 1, 1))])],
      ['spec.worseThan', () => judge(good, { worseThan: 0 })],
      ['spec.worseThan', () => judge(good, { worseThan: Number.NaN })],
      ['spec.ignoreBelow', () => judge(good, { ignoreBelow: 1 })],
      ['spec.ignoreBelow', () => judge(good, { ignoreBelow: 0.1, direction: 'higherIsBetter' })],
      ['spec.direction', () => judge(good, { direction: 'up' as never })],
      ['spec.scale', () => judge(good, { scale: 'log' as never })],
      ['spec.scale', () => judge(good, { scale: 'difference' })],
      ['spec.overdispersion', () => judge(good, { overdispersion: 0.5 })],
      ['spec.priorStrength', () => judge(good, { priorStrength: 0 })],
      ['spec.tuning', () => judge(good, { tuning: -1 })],
      ['spec.minUnits', () => judge(good, { minUnits: 1.5 })],
      ['alpha', () => judgeMetric({ spec: {}, steps: good, alpha: 0 })],
      [
        'alpha',
        () =>
          judgeMetric({ spec: { safeBelow: 2 }, steps: [step(moments(500, 1, 1), moments(500, 1, 1))], alpha: 0.5 }),
      ],
      ['steps[0].weight', () => judge([step(counts(1, 9), counts(1, 9), 101)])],
      ['steps[0].candidate.events', () => judge([step(counts(10, 9), counts(1, 9))])],
      ['steps[0].candidate.events', () => judge([step(counts(Number.NaN, 9), counts(1, 9))])],
      ['steps[0].champion.trials', () => judge([step(counts(1, 9), counts(1, -9))])],
      ['steps[0].champion', () => judge([step(counts(1, 9), moments(500, 1, 1))])],
      ['steps[0].candidate', () => judge([step({} as never, counts(1, 9))])],
      ['steps[0].candidate.sumSquares', () => judge([step({ n: 10, sum: 100, sumSquares: 10 }, null)])],
      ['steps[0].candidate.n', () => judge([step({ n: 0, sum: 1, sumSquares: 1 }, null)])],
      ['steps[0].candidate.error', () => judge([step({ error: 1 as never }, null)])],
      ['previous.v', () => judge(good, {}, { previous: { v: 2 } })],
      ['previous.n', () => judge(good, {}, { previous: { v: 1, n: -1 } })],
      ['spec', () => judgeMetric({ spec: null as never, steps: good, alpha: ALPHA })],
      ['steps', () => judgeMetric({ spec: {}, steps: 1 as never, alpha: ALPHA })],
    ];
    for (const [field, run] of bad) {
      try {
        run();
        expect.fail(`${field} was accepted`);
      } catch (error) {
        expect(error).toBeInstanceOf(AnalysisInputError);
        expect((error as AnalysisInputError).field).toBe(field);
      }
    }
  });
});
