import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnalysisInputError } from '../errors.js';
import { judgeThreshold, type ThresholdJudgement } from './judge-rollout-threshold.js';

describe('judgeThreshold', { timeout: 1_200_000 }, () => {
  const look = (value: number | null | { error: string }, failureLimit: number, previous?: ThresholdJudgement) =>
    judgeThreshold({
      spec: { name: 'p99', max: 100, failureLimit, valueUnit: 'ms' },
      value,
      ...(previous === undefined ? {} : { previous: previous.state }),
    });

  it('20: fails at failure limit + 1 exactly; errors and missing values count neither way', () => {
    fc.assert(
      fc.property(
        fc.nat(4),
        fc.array(fc.constantFrom('good', 'bad', 'none', 'error'), { maxLength: 12 }),
        (limit, values) => {
          let failures = 0;
          let before: ThresholdJudgement | undefined;
          for (const kind of values) {
            const value = { good: 99, bad: 101, none: null, error: { error: '503' } }[kind];
            if (kind === 'bad') failures += 1;
            before = look(value, limit, before);
            const want = { good: 'pass', bad: 'inconclusive', none: 'noData', error: 'error' }[kind];
            expect(before.verdict).toBe(failures > limit ? 'fail' : want);
            expect(before.state.failed !== null).toBe(failures > limit);
          }
        }
      ),
      { numRuns: Number(process.env['RETEMPO_PROPERTY_RUNS'] ?? 12_000), seed: 20_261_121 }
    );
  });

  it('takes bounds as inclusive and infinities as values', () => {
    const one = (value: number) => judgeThreshold({ spec: { min: 1, max: 2 }, value }).verdict;
    expect([one(1), one(2), one(0.999), one(2.001), one(Infinity), one(Number.NaN)]).toEqual([
      'pass',
      'pass',
      'fail',
      'fail',
      'fail',
      'noData',
    ]);
    expect(judgeThreshold({ spec: { max: 5 }, value: -Infinity }).verdict).toBe('pass');
  });

  it('says why', () => {
    const first = look(120, 1);
    const second = look(130, 1, first);
    expect(
      [look(null, 1), look({ error: '503' }, 1), look(80, 1), first, second, look(80, 1, second)].map(
        ({ verdict, reasons }) => [verdict, ...reasons]
      )
    ).toMatchSnapshot();
  });

  it('names what is wrong with bad input', () => {
    expect(() => judgeThreshold({ spec: {}, value: 1 })).toThrow(AnalysisInputError);
    expect(() => judgeThreshold({ spec: { min: 2, max: 1 }, value: 1 })).toThrow('at most max');
    expect(() => judgeThreshold({ spec: { min: Number.NaN }, value: 1 })).toThrow('spec.min');
    expect(() => judgeThreshold({ spec: { min: 1, failureLimit: 0.5 }, value: 1 })).toThrow('failureLimit');
    expect(() => judgeThreshold({ spec: { min: 1 }, value: 'x' as never })).toThrow('value');
  });
});
