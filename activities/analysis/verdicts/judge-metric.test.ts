import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnalysisInputError } from '../errors.js';
import { createRandom } from '../random.js';
import { rateRatioSequence } from '../sequential/index.js';
import { judgeMetric } from './judge-metric.js';
import type { MetricArm, MetricJudgement, MetricSpec, MetricStep } from './judge-metric-types.js';

const SEED = 20_261_121;
const ALPHA = 0.05;
const step = (candidate: MetricArm, champion: MetricArm, weight = 5): MetricStep => ({ weight, candidate, champion });
const counts = (events: number, trials: number) => ({ events, trials });
const moments = (n: number, mean: number, sd: number) => ({
  n,
  sum: n * mean,
  sumSquares: (n - 1) * sd * sd + n * mean * mean,
});
const judge = (steps: MetricStep[], spec: MetricSpec = {}, rest: object = {}): MetricJudgement =>
  judgeMetric({ spec: { name: 'errors', ...spec }, steps, alpha: ALPHA, ...rest });

/** Every kind of judgement that a person may read, by name. */
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

const arm = fc
  .tuple(fc.integer({ min: 0, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([trials, share]) => counts(Math.floor(trials * share * share * share), trials));
const weights = fc.constantFrom(1, 5, 10, 25, 50);
const steps = fc
  .array(fc.tuple(arm, arm, weights), { minLength: 1, maxLength: 3 })
  .map((rows) => rows.map(([a, b, w]) => step(a, b, w)));
const spec = fc
  .record({
    worseThan: fc.constantFrom(0.8, 1, 1.2),
    extra: fc.constantFrom(0, 0.3, 1),
    ignoreBelow: fc.constantFrom(null, 0.001, 0.01, 0.1),
  })
  .map(({ worseThan, extra, ignoreBelow }): MetricSpec => ({ worseThan, safeBelow: worseThan + extra, ignoreBelow }));
const check = <T extends unknown[]>(runs: number, property: fc.IProperty<T>): void => {
  // Mutation testing asks for fewer: each mutant meets them all.
  fc.assert(property, { numRuns: Number(process.env['RETEMPO_PROPERTY_RUNS'] ?? runs), seed: SEED });
};

/** Thousands of cases each: on a busy machine they take minutes, and no time is asked of them. */
const PATIENT = { timeout: 1_200_000 };

describe('judgeMetric, properties (progressive-delivery 4.5)', PATIENT, () => {
  it('9: the three regions exclude each other and follow the interval', () => {
    check(
      12_000,
      fc.property(steps, spec, (rows, limits) => {
        const got = judge(rows, limits);
        const current = rows.at(-1) as MetricStep;
        const empty = [current.candidate, current.champion].some((a) => a !== null && 'trials' in a && a.trials === 0);
        const contradiction = got.lower > got.upper && got.lower > got.worseThan;
        const safe = got.upper < got.safeBelow && !contradiction;
        const worse = got.lower > got.worseThan;
        const want =
          worse && !safe && !got.small ? 'fail' : empty ? 'noData' : safe || got.small ? 'pass' : 'inconclusive';
        expect(got.verdict).toBe(want);
        // Steps that contradict each other may leave no ratio at all; one step never does.
        if (rows.length === 1) expect(got.lower).toBeLessThanOrEqual(got.upper);
        expect(got.reasons.join().includes('contradict')).toBe(got.lower > got.upper && !(got.verdict === 'noData'));
      })
    );
  });

  it('9: a smaller alpha widens the interval and never decides what was open', () => {
    check(
      8_000,
      fc.property(steps, spec, fc.double({ min: 1e-6, max: 0.049, noNaN: true }), (rows, limits, alpha) => {
        const wide = judgeMetric({ spec: limits, steps: rows, alpha });
        const narrow = judgeMetric({ spec: limits, steps: rows, alpha: ALPHA });
        expect(wide.lower).toBeLessThanOrEqual(narrow.lower * (1 + 1e-9));
        expect(wide.upper).toBeGreaterThanOrEqual(narrow.upper * (1 - 1e-9));
        if (narrow.verdict === 'inconclusive') expect(wide.verdict).toBe('inconclusive');
      })
    );
  });

  it('9: larger limits never turn a pass into a fail', () => {
    check(
      8_000,
      fc.property(steps, spec, fc.double({ min: 0, max: 1, noNaN: true }), (rows, limits, more) => {
        if (judge(rows, limits).verdict !== 'pass') return;
        const wider = {
          ...limits,
          worseThan: (limits.worseThan ?? 1) + more,
          safeBelow: (limits.safeBelow ?? 2) + more,
        };
        expect(judge(rows, wider).verdict).toBe('pass');
      })
    );
  });

  it('8: removing data never makes a pass', () => {
    const gap = fc.constantFrom<MetricArm>(null, { error: 'timeout' }, counts(0, 0));
    check(
      12_000,
      fc.property(steps, spec, gap, fc.boolean(), fc.nat(2), (rows, limits, nothing, side, at) => {
        const before = judge(rows, limits);
        const index = nothing !== null && 'trials' in nothing ? rows.length - 1 : at % rows.length;
        const cut = rows.map((row, i) => (i === index ? { ...row, [side ? 'candidate' : 'champion']: nothing } : row));
        expect(judge(cut, limits).verdict).not.toBe('pass');
        // With the state of the look before, losing a whole step is seen as well.
        const fewer = judge(rows.slice(1), limits, { previous: before.state });
        const lost = rows[0] as { candidate: { trials: number }; champion: { trials: number } };
        if (lost.candidate.trials + lost.champion.trials > 0) expect(['fail', 'error']).toContain(fewer.verdict);
      })
    );
  });

  it('10: the running ends are nested and a fail latches, whatever comes later', () => {
    const looks = fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 400 }),
        fc.integer({ min: 0, max: 4_000 }),
        fc.double({ min: 0, max: 1, noNaN: true })
      ),
      { minLength: 2, maxLength: 6 }
    );
    check(
      5_000,
      fc.property(looks, spec, (rows, limits) => {
        let a = counts(0, 0);
        let b = counts(0, 0);
        let before: MetricJudgement | undefined;
        for (const [more, most, share] of rows) {
          a = counts(a.events + Math.floor(more * share * share), a.trials + more);
          b = counts(b.events + Math.floor(most * share * share * share), b.trials + most);
          const got = judge(
            [step(a, b)],
            limits,
            before === undefined ? {} : { previous: JSON.parse(JSON.stringify(before.state)) }
          );
          expect(got.state.lower ?? -Infinity).toBeGreaterThanOrEqual(before?.state.lower ?? -Infinity);
          expect(got.state.upper ?? Infinity).toBeLessThanOrEqual(before?.state.upper ?? Infinity);
          expect(got.state.n).toBe(got.n);
          if (before?.verdict === 'fail') expect(got.verdict).toBe('fail');
          before = got;
        }
      })
    );
  });

  it('11: the order of the steps and the batches of the counts change nothing', () => {
    check(
      8_000,
      fc.property(steps, spec, (rows, limits) => {
        const got = judge(rows, limits);
        // The last step stays last: it is the current one.
        const swapped = [...rows.slice(0, -1).toReversed(), rows.at(-1) as MetricStep];
        const again = judge(swapped, limits);
        expect(again.verdict).toBe(got.verdict);
        if (Number.isFinite(got.upper)) expect(Math.abs(again.upper / got.upper - 1)).toBeLessThan(1e-9);
        expect(judge(JSON.parse(JSON.stringify(rows)), limits)).toEqual(got);
      })
    );
  });

  it('11: swapping the arms mirrors the interval', () => {
    check(
      8_000,
      fc.property(steps, (rows) => {
        const one = rateRatioSequence({ steps: rows as never, alpha: ALPHA });
        const two = rateRatioSequence({
          steps: rows.map(({ candidate, champion }) => ({ candidate: champion, champion: candidate })) as never,
          alpha: ALPHA,
        });
        const mirrored = (a: number, b: number): void => {
          if (a === 0 || b === 0 || !Number.isFinite(a) || !Number.isFinite(b))
            expect([a === 0, a === Infinity]).toEqual([b === Infinity, b === 0]);
          else expect(Math.abs(a * b - 1)).toBeLessThan(1e-9);
        };
        mirrored(one.lower, two.upper);
        mirrored(one.upper, two.lower);
      })
    );
  });

  it('11: a metric where higher is better is the same with its arms swapped', () => {
    check(
      4_000,
      fc.property(steps, (rows) => {
        const swapped = rows.map(({ weight, candidate, champion }) => step(champion, candidate, weight));
        const one = judge(rows, { direction: 'higherIsBetter', worseThan: 1, safeBelow: 1.5 });
        const two = judge(swapped, { worseThan: 1, safeBelow: 1.5, ignoreBelow: null });
        expect(one.verdict).toBe(two.verdict);
        expect([one.lower, one.upper, one.estimate]).toEqual([two.lower, two.upper, two.estimate]);
      })
    );
  });

  it('21: equal means pass, scale changes nothing for ratios and shift nothing for differences', () => {
    const size = fc.integer({ min: 20_000, max: 50_000 });
    check(
      8_000,
      fc.property(
        size,
        fc.double({ min: 1, max: 100, noNaN: true }),
        fc.double({ min: 0.1, max: 20, noNaN: true }),
        fc.integer({ min: -6, max: 6 }),
        (n, mean, sd, power) => {
          const at = (scale: number) => [
            step(
              moments(n, mean * scale, sd * mean * 0.02 * scale),
              moments(n, mean * scale, sd * mean * 0.02 * scale),
              50
            ),
          ];
          const one = judge(at(1), { safeBelow: 1.5 });
          const two = judge(at(10 ** power), { safeBelow: 1.5 });
          expect(one.verdict).toBe('pass');
          expect(Math.abs(two.upper / one.upper - 1)).toBeLessThan(1e-6);
          for (const shift of [0, -mean, -3 * mean]) {
            const rows = [step(moments(n, mean + shift, sd), moments(n, mean + shift, sd), 50)];
            const difference = judge(rows, { scale: 'difference', safeBelow: sd });
            expect(difference.verdict).toBe('pass');
            expect(Math.abs((difference.estimate as number) / sd)).toBeLessThan(1e-9);
          }
        }
      )
    );
  });

  it('more harm never turns a fail into a pass', () => {
    check(
      8_000,
      fc.property(steps, spec, fc.integer({ min: 1, max: 50 }), (rows, limits, more) => {
        const last = rows.at(-1) as { candidate: { events: number; trials: number }; champion: MetricArm };
        const worse = counts(Math.min(last.candidate.trials, last.candidate.events + more), last.candidate.trials);
        const got = judge(rows, limits);
        const harmed = judge([...rows.slice(0, -1), step(worse, last.champion)], limits);
        expect(harmed.lower).toBeGreaterThanOrEqual(got.lower * (1 - 1e-9));
        expect(harmed.upper).toBeGreaterThanOrEqual(got.upper * (1 - 1e-9));
        if (got.verdict === 'fail' && got.lower <= got.upper) expect(harmed.verdict).toBe('fail');
      })
    );
  });

  it('stays valid for means at any stop: 400 sequences at the limit', () => {
    const random = createRandom(SEED);
    let failed = 0;
    let passed = 0;
    const trials = 400;
    for (let trial = 0; trial < trials; trial += 1) {
      const sums = [0, 0, 0, 0].map(() => 0);
      let state: MetricJudgement['state'] | undefined;
      let everPassed = false;
      let everFailed = false;
      for (let look = 1; look <= 20; look += 1) {
        for (let i = 0; i < 100; i += 1) {
          const a = 10 + 5 * random.normal();
          const b = 10 + 5 * random.normal();
          sums[0] = (sums[0] as number) + a;
          sums[1] = (sums[1] as number) + a * a;
          sums[2] = (sums[2] as number) + b;
          sums[3] = (sums[3] as number) + b * b;
        }
        const [a, a2, b, b2] = sums as [number, number, number, number];
        const rows = [step({ n: look * 100, sum: a, sumSquares: a2 }, { n: look * 100, sum: b, sumSquares: b2 }, 50)];
        const got = judge(
          rows,
          { worseThan: 1, safeBelow: 1, tuning: 2_000 },
          state === undefined ? {} : { previous: state }
        );
        state = got.state;
        if (got.verdict === 'pass') everPassed = true;
        if (got.verdict === 'fail') everFailed = true;
      }
      if (everPassed) passed += 1;
      if (everFailed) failed += 1;
    }
    const room = ALPHA + 3 * Math.sqrt((ALPHA * (1 - ALPHA)) / trials);
    expect(failed / trials).toBeLessThanOrEqual(room);
    expect(passed / trials).toBeLessThanOrEqual(room);
  });
});
