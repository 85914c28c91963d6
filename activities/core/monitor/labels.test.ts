import { toleratedLoss } from '@retempo/analysis';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acceptedLoss } from './labels.js';

describe('the accepted loss', () => {
  const reference = { metric: 'logLoss', clip: 4.6, mean: 0.45, n: 3_000 };

  it('is the loss at the gate, raised by its own 95 % uncertainty and the tolerance', () => {
    // Largest variance of a loss in [0, clip] with this mean: mean (clip - mean).
    const standardDeviation = Math.sqrt(0.45 * (4.6 - 0.45));
    const upper = 0.45 + (1.6448536269514722 * standardDeviation) / Math.sqrt(3_000);
    expect(acceptedLoss(reference, 0.02)).toBeCloseTo(upper + 0.02, 12);
    const same = { mean: 0.45, standardDeviation, n: 3_000, tolerance: 0.02, confidence: 0.95 };
    expect(acceptedLoss(reference, 0.02)).toBe(toleratedLoss(same));
  });

  it('needs more room for a baseline of few rows, and never reaches the clip', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 4.6, noNaN: true }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        (mean, n, tolerate) => {
          const tolerated = acceptedLoss({ ...reference, mean, n }, tolerate);
          expect(tolerated).toBeLessThan(4.6);
          expect(tolerated).toBeGreaterThanOrEqual(Math.min(mean, 4.6 * 0.999));
          expect(tolerated).toBeGreaterThanOrEqual(acceptedLoss({ ...reference, mean, n: n * 2 }, tolerate) - 1e-12);
        }
      )
    );
  });
});
