import { describe, expect, it } from 'vitest';
import { runGate } from './run-gate.js';

/** Edges that the properties leave open. */
describe('runGate, edges', () => {
  it('checks the rows for the metric of the anchor, also where no other check uses it', () => {
    const rows = Array.from({ length: 600 }, (_, i) => ({
      key: `${i}`,
      label: 5,
      champion: 5,
      candidate: 5,
      anchor: 5,
    }));
    const floor = { metrics: { mae: { atMost: 1 } }, seed: 1 };
    expect(runGate({ gate: floor, rows }).verdict).toBe('pass');
    const { verdict, reasons } = runGate({ gate: { ...floor, anchor: { metric: 'logLoss', notWorseBy: 0.01 } }, rows });
    expect(verdict).toBe('error');
    expect(reasons.join()).toContain('a label other than 0 and 1, and 599 more rows like it');
  });
});
