import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toleratedLoss } from './labels.js';

describe('the tolerated loss', () => {
  const reference = { metric: 'logLoss', clip: 4.6, mean: 0.45, n: 3_000 };

  it('is the loss at the gate, raised by its own 95 % uncertainty and the tolerance', () => {
    // Largest variance of a loss in [0, clip] with this mean: mean (clip - mean).
    const standardError = Math.sqrt((0.45 * (4.6 - 0.45)) / 3_000);
    expect(toleratedLoss(reference, 0.02)).toBeCloseTo(0.45 + 1.6448536269514722 * standardError + 0.02, 12);
  });

  it('needs more room for a baseline of few rows, and never reaches the clip', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 4.6, noNaN: true }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        (mean, n, tolerate) => {
          const tolerated = toleratedLoss({ ...reference, mean, n }, tolerate);
          expect(tolerated).toBeLessThan(4.6);
          expect(tolerated).toBeGreaterThanOrEqual(Math.min(mean, 4.6 * 0.999));
          expect(tolerated).toBeGreaterThanOrEqual(toleratedLoss({ ...reference, mean, n: n * 2 }, tolerate) - 1e-12);
        }
      )
    );
  });
});
