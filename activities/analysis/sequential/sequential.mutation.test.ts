import { describe, expect, it } from 'vitest';
import { asymptoticCs, msprt } from './index.js';

/** Exact values and edges that the properties leave open. */
describe('sequential tests, edges', () => {
  it('have the widths of the published formula', () => {
    const input = { estimate: 0, standardError: 1, n: 1_000, alpha: 0.05, tuning: 500 };
    for (const oneSided of [false, true]) {
      const logAlpha = Math.log(oneSided ? 0.1 : 0.05);
      const rho = Math.sqrt((-2 * logAlpha + Math.log(1 - 2 * logAlpha)) / 500);
      const spread = 1_000 * rho ** 2 + 1;
      const bound = oneSided ? Math.log(1 + Math.sqrt(spread) / 0.1) : Math.log(Math.sqrt(spread) / 0.05);
      const width = Math.sqrt(1_000) * Math.sqrt(((2 * spread) / (1_000 * rho) ** 2) * bound);
      const got = asymptoticCs(oneSided ? { ...input, side: 'upper' } : input);
      expect(got.rho).toBeCloseTo(rho, 12);
      expect(got.upper).toBeCloseTo(width, 10);
      expect(got.lower).toBeCloseTo(oneSided ? -Infinity : -width, 10);
    }
  });

  it('take any alpha below 1, and below one half for one side', () => {
    const input = { estimate: 0, standardError: 1, n: 500, tuning: 500 };
    expect(asymptoticCs({ ...input, alpha: 0.6 }).halfWidth).toBeGreaterThan(0);
    expect(asymptoticCs({ ...input, alpha: 0.49, side: 'lower' }).upper).toBe(Infinity);
    for (const side of ['lower', 'upper'] as const) {
      expect(() => asymptoticCs({ ...input, alpha: 0.5, side })).toThrow('alpha: must be below 0.5');
    }
  });

  it('has the likelihood ratio of a normal mixture', () => {
    const { logLikelihoodRatio, pValue } = msprt({ difference: 3, variance: 1, tau2: 2, nullDifference: 0.5 });
    const expected = 0.5 * Math.log(1 / 3) + (2.5 ** 2 * 2) / (2 * 1 * 3);
    expect(logLikelihoodRatio).toBeCloseTo(expected, 12);
    expect(pValue).toBeCloseTo(Math.exp(-expected), 12);
  });
});
