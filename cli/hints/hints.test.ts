import type { ModelSpec, ReleaseSpec } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { canaryHint } from './canary-hint.js';
import { chanceToPass, gateHint } from './gate-hint.js';

const release = (ignoreBelow: number): ReleaseSpec =>
  ({
    steps: [5, 25],
    alpha: 0.05,
    guardrails: { errors: { worseThan: 1, safeBelow: 2, ignoreBelow }, slow: null },
  }) as unknown as ReleaseSpec;

const gate = (notWorseBy: number): ModelSpec['gate'] =>
  ({ metrics: { logLoss: { notWorseBy } }, confidence: 0.95 }) as unknown as ModelSpec['gate'];

describe('canaryHint', () => {
  it('says what step 1 needs and what it can find, the same every time', () => {
    const hint = canaryHint(release(0.01));
    expect(hint).toMatch(
      /^canary: at 0\.5 % errors a healthy candidate passes step 1 \(5 %\) after about [\d ]+ of its requests, [\d ]+ in all; from 1 % to 2 % a doubling would be caught \d+ times in 10/
    );
    expect(canaryHint(release(0.01))).toBe(hint);
  });

  it('says nothing where no rate may be ignored: there is none to assume', () => {
    expect(canaryHint(release(0))).toBeNull();
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
      'gate: with 20 000 rows an equal model passes logLoss notWorseBy 0.002 only 37.1 % of the time; 0.005 gives 95 %'
    );
    expect(gateHint(gate(0.005), [comparison])).toBeNull();
    expect(gateHint(gate(0.002), [])).toBeNull();
  });
});
