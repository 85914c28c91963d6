import type { ModelSpec, ReleaseSpec } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { duration } from '../text/quantities.js';
import { canaryHint } from './canary-hint.js';
import { chanceToPass, gateHint } from './gate-hint.js';

const release = (ignoreBelow: number, overdispersion = 1): ReleaseSpec =>
  ({
    steps: [5, 25],
    alpha: 0.05,
    guardrails: { errors: { worseThan: 1, safeBelow: 2, ignoreBelow, overdispersion }, slow: null },
  }) as unknown as ReleaseSpec;

const gate = (notWorseBy: number): ModelSpec['gate'] =>
  ({ metrics: { logLoss: { notWorseBy } }, confidence: 0.95 }) as unknown as ModelSpec['gate'];

describe('canaryHint', () => {
  it('says what step 1 needs and what it can find, the same every time', () => {
    const hint = canaryHint(release(0.01), null);
    expect(hint).toMatch(
      /^canary: at 0\.5 % errors a healthy candidate passes step 1 \(5 %\) after about [\d ]+ of its requests, [\d ]+ in all; from 1 % to 2 % a doubling would be caught \d+ times in 10/
    );
    expect(canaryHint(release(0.01), null)).toBe(hint);
  });

  it('says how long that takes at the traffic of today', () => {
    const requests = Number(/([\d ]+) in all/.exec(canaryHint(release(0.01), null) ?? '')?.[1]?.replaceAll(' ', ''));
    // 1 000 requests in 100 s.
    const hint = canaryHint(release(0.01), { requests: 1_000, overMs: 100_000 });
    expect(hint).toContain(
      `in all, ${duration(Math.round((requests * 100) / 60_000) * 60_000)} at the traffic of the last 1 min 40 s; from 1 %`
    );
    expect(canaryHint(release(0.01), { requests: 5, overMs: 20 * 3_600_000 })).toContain('of the last 20 h');
    expect(canaryHint(release(0.01), { requests: 0, overMs: 100_000 })).not.toContain('traffic');
  });

  it('needs as many more requests as count as one', () => {
    const passes = (hint: string | null) =>
      Number(/after about ([\d ]+) of its/.exec(hint ?? '')?.[1]?.replaceAll(' ', ''));
    expect(passes(canaryHint(release(0.01, 3), null))).toBe(3 * passes(canaryHint(release(0.01), null)));
    expect(canaryHint(release(0.01, 3), null)).toContain('times in 10 within 9 000 of them');
  });

  it('says nothing where no rate may be ignored: there is none to assume', () => {
    expect(canaryHint(release(0), null)).toBeNull();
  });
});

describe('gateHint', () => {
  it('gives an equal model half a chance where the margin is as wide as the interval', () => {
    expect(chanceToPass(0.002, 0.002, 0.95)).toBeCloseTo(0.5, 12);
    // z (2 - 1) = 1.6449: the upper end of a 95 % one-sided interval.
    expect(chanceToPass(0.004, 0.002, 0.95)).toBeCloseTo(0.95, 12);
  });

  it('names a margin that the rows can prove', () => {
    const comparison = { metric: 'logLoss', lower: -0.0025, upper: 0.0025, n: 20_000 };
    expect(gateHint(gate(0.002), [comparison])).toBe(
      'gate: with 20 000 rows an equal model passes logLoss notWorseBy 0.002 only 37.1 % of the time; 0.0048 gives 93.5 %'
    );
    // Rounding down to 0.001 would name a margin that passes 79 % of the time.
    const narrow = { metric: 'logLoss', lower: -0.00066, upper: 0.00066, n: 7_829 };
    expect(gateHint(gate(0.0003), [narrow])).toMatch(/; 0\.0013 gives 9[345]/);
    expect(gateHint(gate(0.005), [comparison])).toBeNull();
    expect(gateHint(gate(0.002), [])).toBeNull();
  });
});
