import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { rateRatioSequence } from '../sequential/index.js';
import { judgeMetric } from './judge-metric.js';
import { ALPHA, counts, judge, moments, step } from './judge-metric.test.util.js';
import type { MetricArm, MetricJudgement, MetricSpec, MetricStep } from './judge-metric-types.js';

const SEED = 20_261_121;
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
