import type { Random } from '../random.js';
import type { GateRow, GateSpec } from '../verdicts/index.js';

/** One setting of the gate simulation. */
export interface GateCell {
  readonly simulation: string;
  readonly setting: string;
  readonly gate: GateSpec;
  /** Part of the asked trials. */
  readonly share: number;
  readonly rule?: string;
  /** What must hold of the share that the gate accepts; null for rows that are printed for comparison. */
  readonly accepts: { readonly kind: 'atMost' | 'atLeast'; readonly value: number } | null;
  rows(random: Random): GateRow[];
}

// Alpha .05, and half a point for the bootstrap.
const falseAccepts = { kind: 'atMost', value: 0.055 } as const;

const maeGate = (notWorseBy: number, worstRow?: number): GateSpec => ({
  metrics: { mae: { notWorseBy, ...(worstRow === undefined ? {} : { worstRow }) } },
  iterations: 1000,
  seed: 1,
});

/** Rows whose loss (label 0, mean absolute error) differs by `difference` between candidate and champion. */
function rowsOf(
  n: number,
  random: Random,
  difference: (row: number) => number,
  cluster?: (row: number) => number
): GateRow[] {
  return Array.from({ length: n }, (_, i) => {
    const champion = 10 + random.uniform();
    const row = { key: String(i), label: 0, champion, candidate: champion + difference(i) };
    return cluster === undefined ? row : { ...row, cluster: cluster(i) };
  });
}

function lightTails(n: number, share: number): GateCell {
  return {
    simulation: 'gate, truth at the margin',
    setting: `n = ${n}, margin .02, differences of loss normal with standard deviation .3`,
    gate: maeGate(0.02),
    share,
    accepts: falseAccepts,
    rows: (random) => rowsOf(n, random, () => 0.02 + 0.3 * random.normal()),
  };
}

/** What the allowance for unseen rows costs an equal candidate whose tails are light. */
function equalCandidate(n: number, margin: number, least: number, share: number): GateCell {
  return {
    simulation: 'gate, equal candidate',
    setting: `n = ${n}, margin ${margin}, differences of loss normal with standard deviation .3`,
    gate: maeGate(margin),
    share,
    accepts: { kind: 'atLeast', value: least },
    rows: (random) => rowsOf(n, random, () => 0.3 * random.normal()),
  };
}

function errorRates(n: number, share: number): GateCell {
  return {
    simulation: 'gate, truth at the margin',
    setting: `n = ${n}, accuracy, margin .02, 4 % of rows lost and 2 % won`,
    gate: { metrics: { accuracy: { notWorseBy: 0.02 } }, iterations: 1000, seed: 1 },
    share,
    accepts: falseAccepts,
    rows: (random) =>
      Array.from({ length: n }, (_, i) => {
        const u = random.uniform();
        const champion = u < 0.04 ? 1 : u < 0.06 ? 0 : 1;
        return { key: String(i), label: 1, champion, candidate: u < 0.04 ? 0 : 1 };
      }),
  };
}

/** 1 row in 400 costs 4, which is the whole margin; the others differ by noise around 0. */
function heavyTails(n: number, noise: number, share: number, worstRow?: number): GateCell {
  const stated = worstRow === undefined ? '' : `, worstRow ${worstRow} stated`;
  return {
    simulation: 'gate, heavy tails',
    setting: `n = ${n}, margin .01, 1 row in 400 costs 4, the others differ by ${noise}${stated}`,
    gate: maeGate(0.01, worstRow),
    share,
    // Without a stated cost a sample of quiet rows cannot tell what a row may cost: shown, not promised.
    accepts: noise < 0.1 && worstRow === undefined ? null : falseAccepts,
    rows: (random) => rowsOf(n, random, () => noise * random.normal() + (random.uniform() < 1 / 400 ? 4 : 0)),
  };
}

function clustered(days: number, named: boolean, share: number): GateCell {
  const n = 2000;
  return {
    simulation: 'gate, rows of a day hang together',
    setting: `n = ${n} in ${days} days, margin .02, day effect .05, rows .3${named ? '' : ', days not given to the gate'}`,
    gate: maeGate(0.02),
    share,
    accepts: named ? falseAccepts : null,
    ...(named ? {} : { rule: 'rows taken as independent' }),
    rows: (random) => {
      const effects = Array.from({ length: days }, () => 0.05 * random.normal());
      const difference = (i: number): number => 0.02 + effects[i % days]! + 0.3 * random.normal();
      return rowsOf(n, random, difference, named ? (i) => i % days : undefined);
    },
  };
}

/** Every setting; `share` of the trials is smaller where a trial is long. */
export const gateCells: readonly GateCell[] = [
  lightTails(500, 0.4),
  lightTails(2000, 0.2),
  errorRates(1000, 0.2),
  errorRates(4000, 0.1),
  equalCandidate(500, 0.05, 0.5, 0.2),
  equalCandidate(1000, 0.05, 0.95, 0.2),
  equalCandidate(2000, 0.05, 0.99, 0.1),
  equalCandidate(4000, 0.02, 0.9, 0.05),
  heavyTails(500, 0.1, 0.4),
  heavyTails(500, 0.03, 0.2),
  heavyTails(500, 0.1, 0.2, 4),
  heavyTails(500, 0.03, 0.2, 4),
  heavyTails(1000, 0.1, 0.2),
  heavyTails(2000, 0.1, 0.2),
  heavyTails(8000, 0.1, 0.05),
  ...[5, 7, 20, 60].map((days) => clustered(days, true, 0.2)),
  clustered(20, false, 0.2),
];
