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

  it('states the gain of the first check that compared anything, also of one that only asks for a gain', () => {
    const rows = Array.from({ length: 600 }, (_, i) => ({
      key: `${i}`,
      label: 1,
      champion: 0.6 + (i % 10) / 100,
      candidate: 0.7 + (i % 10) / 100,
    }));
    const of = (metrics: object) => runGate({ gate: { metrics: metrics as never, seed: 1 }, rows });
    const only = of({ brier: { betterBy: 0 } });
    expect(only.verdict).toBe('pass');
    expect(only.gain).toBe(-only.checks[1]!.estimate!);
    expect(only.gain).toBeGreaterThan(0.05);
    // One class has no AUC: the gain is that of the next metric.
    const second = of({ auc: { notWorseBy: 0.1 }, brier: { notWorseBy: 0 } });
    expect(second.checks[1]!.estimate).toBeNull();
    expect(second.gain).toBe(only.gain);
    // A floor compares with nobody.
    expect(of({ brier: { atMost: 0.5 } }).gain).toBeNull();
  });
});
