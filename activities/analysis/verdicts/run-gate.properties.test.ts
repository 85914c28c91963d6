import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runGate, type GateResult, type GateRow, type GateSpec } from './index.js';

/** Thousands of cases each: on a busy machine they take minutes, and no time is asked of them. */
const PATIENT = { timeout: 1_200_000 };

// Equivalents of invariants 6, 8-11 and 20-22 of progressive-delivery 4.5 for the gate. fast-check prints a failing seed.
describe('invariants of runGate', PATIENT, () => {
  const p = fc.integer({ min: 1, max: 99 }).map((value) => value / 100);
  const row = fc.record({
    label: fc.constantFrom(0, 1),
    champion: p,
    candidate: p,
    anchor: p,
    part: fc.constantFrom('a', 'b'),
  });
  const list = fc
    .array(row, { minLength: 2, maxLength: 16 })
    .map((rows) => rows.map(({ part, ...rest }, i): GateRow => ({ ...rest, key: `k${i}`, slice: { part } })));
  const limits = fc.record({
    margin: fc.constantFrom(0, 0.02, 0.1, 0.5),
    metric: fc.constantFrom('logLoss', 'brier', 'accuracy', 'mae', 'mse', 'auc'),
    floor: fc.constantFrom(0.1, 0.4, 0.8),
  });
  const specOf = ({ margin, metric, floor }: { margin: number; metric: string; floor: number }): GateSpec => {
    const higher = metric === 'auc' || metric === 'accuracy';
    return {
      metrics: { [metric]: { notWorseBy: margin, ...(higher ? { atLeast: floor } : { atMost: floor }) } },
      slices: metric === 'auc' ? null : { by: ['part'], minRows: 4 },
      minRows: 4,
      iterations: 100,
      seed: 5,
    };
  };
  // Mutation testing asks for fewer: each mutant meets them all.
  const numRuns = Number(process.env['RETEMPO_PROPERTY_RUNS'] ?? 10_000);

  it('order of rows and metrics, and repeated calls, leave the result unchanged (6, 11)', () => {
    fc.assert(
      fc.property(list, limits, limits, (rows, one, two) => {
        const metrics = { ...specOf(one).metrics, ...specOf(two).metrics };
        const spec = { ...specOf(one), metrics };
        const result = runGate({ gate: spec, rows });
        const turned = { ...spec, metrics: Object.fromEntries(Object.entries(metrics).toReversed()) };
        const other = runGate({ gate: turned, rows: rows.toReversed() });
        expect(other.verdict).toBe(result.verdict);
        expect(other.reasons.toSorted()).toEqual(result.reasons.toSorted());
        expect(JSON.parse(JSON.stringify(result))).toEqual(result);
      }),
      { numRuns }
    );
  });

  it('too few rows, NaN and missing values never pass, and removing rows to nothing never passes (8)', () => {
    const faults: ((rows: readonly GateRow[]) => unknown)[] = [
      (rows) => rows.map((r, i) => (i === 0 ? { ...r, candidate: Number.NaN } : r)),
      (rows) => rows.map((r, i) => (i === 0 ? { ...r, label: undefined } : r)),
      (rows) => rows.map((r, i) => (i === 0 ? { ...r, champion: undefined } : r)),
      (rows) => rows.map((r) => ({ ...r, key: 'same' })),
      (rows) => rows.slice(0, 3),
      (rows) => rows.map((r) => ({ ...r, trainedOn: true })),
    ];
    fc.assert(
      fc.property(list, limits, fc.constantFrom(...faults), (rows, limit, fault) => {
        const { verdict } = runGate({ gate: specOf(limit), rows: fault(rows) as GateRow[] });
        expect(['noData', 'error']).toContain(verdict);
        if (rows.length < 4) expect(runGate({ gate: specOf(limit), rows }).verdict).toBe('noData');
      }),
      { numRuns }
    );
  });

  it('verdicts follow from intervals and limits: exclusive, exhaustive; a larger margin never turns pass into fail (9)', () => {
    fc.assert(
      fc.property(list, limits, (rows, limit) => {
        const result = runGate({ gate: specOf(limit), rows });
        for (const part of result.checks.filter(({ kind }) => kind === 'floor' || kind === 'notWorse')) {
          const { lower, upper, threshold, verdict, metric } = part;
          if (lower === null || upper === null || threshold === null) {
            expect(['noData', 'inconclusive']).toContain(verdict);
            continue;
          }
          const higher = metric === 'auc' || metric === 'accuracy';
          const inside = higher ? lower >= threshold : upper <= threshold;
          const outside = higher ? upper < threshold : lower > threshold;
          expect(inside && outside).toBe(false);
          if (verdict === 'pass') expect(inside).toBe(true);
          if (verdict === 'fail') expect(outside).toBe(true);
        }
        const wide = runGate({ gate: specOf({ ...limit, margin: limit.margin + 0.3 }), rows });
        const [before, after] = [result, wide].map(
          ({ checks }) => checks.find(({ kind }) => kind === 'notWorse')?.verdict
        );
        if (before === 'pass') expect(after).toBe('pass');
        if (after === 'fail') expect(before).toBe('fail');
        const verdicts = result.checks.map(({ verdict }) => verdict);
        if (result.verdict === 'pass') expect(verdicts.every((v) => v === 'pass')).toBe(true);
        expect(result.verdict === 'fail').toBe(verdicts.includes('fail'));
      }),
      { numRuns }
    );
  });

  it('swapping the versions mirrors the difference, equal versions pass, scaled errors decide alike (11, 20, 21)', () => {
    fc.assert(
      fc.property(list, limits, fc.constantFrom(2, 4, 16), (rows, limit, factor) => {
        const gateOf = (margin: number): GateSpec => ({ ...specOf({ ...limit, margin }), slices: null });
        const swapped = rows.map((r) => ({ ...r, champion: r.candidate, candidate: r.champion! }));
        const find = (result: GateResult) => result.checks.find(({ kind }) => kind === 'notWorse');
        const [one, two] = [rows, swapped].map((list_) => find(runGate({ gate: gateOf(limit.margin), rows: list_ })));
        if (one?.estimate != null) {
          expect(two!.estimate!).toBeCloseTo(-one.estimate, 9);
          expect(two!.lower!).toBeCloseTo(-one.upper!, 9);
        }
        const same = rows.map((r) => ({ ...r, champion: r.candidate }));
        const equal = find(runGate({ gate: gateOf(0), rows: same }));
        if (equal !== undefined && equal.estimate !== null) expect(['pass', 'inconclusive']).toContain(equal.verdict);
        const scaled = rows.map((r) => ({
          ...r,
          label: r.label * factor,
          champion: r.champion! * factor,
          candidate: r.candidate * factor,
        }));
        const mae = (list_: readonly GateRow[], margin: number) =>
          runGate({
            gate: { metrics: { mae: { notWorseBy: margin } }, minRows: 4, iterations: 100, seed: 5 },
            rows: list_,
          }).verdict;
        expect(mae(scaled, limit.margin * factor)).toBe(mae(rows, limit.margin));
      }),
      { numRuns }
    );
  });

  it('a rubber stamp only without a champion, and visible; a champion never makes a failed floor pass (22)', () => {
    fc.assert(
      fc.property(list, limits, (rows, limit) => {
        const alone = rows.map(({ champion: _champion, ...r }) => r);
        const spec = specOf(limit);
        const withChampion = runGate({ gate: spec, rows });
        const without = runGate({ gate: spec, rows: alone });
        expect(withChampion.rubberStamp).toBe(false);
        expect(withChampion.reasons.join()).not.toContain('no champion');
        if (rows.length >= 4) {
          expect(without.rubberStamp).toBe(true);
          expect(without.reasons.join()).toContain('no champion');
          const floor = (result: GateResult) => result.checks.find(({ kind }) => kind === 'floor');
          expect(floor(without)).toEqual(floor(withChampion));
        }
      }),
      { numRuns }
    );
  });
});
