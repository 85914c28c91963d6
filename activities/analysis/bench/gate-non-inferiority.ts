import { createRandom, type Random } from '../random.js';
import { runGate, type GateRow, type GateSpec } from '../verdicts/index.js';
import { shareRow, type Simulation, type SimulationRow } from './simulation.js';

const alpha = 0.05;

interface Cell {
  readonly simulation: string;
  readonly setting: string;
  readonly gate: GateSpec;
  readonly share: number;
  readonly rule?: string;
  /** Whether the limit on false accepts applies. */
  readonly limited: boolean;
  rows(random: Random): GateRow[];
}

const maeGate = (notWorseBy: number): GateSpec => ({ metrics: { mae: { notWorseBy } }, iterations: 1000, seed: 1 });

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

function lightTails(n: number, share: number): Cell {
  return {
    simulation: 'gate, truth at the margin',
    setting: `n = ${n}, margin .02, differences of loss normal with standard deviation .3`,
    gate: maeGate(0.02),
    share,
    limited: true,
    rows: (random) => rowsOf(n, random, () => 0.02 + 0.3 * random.normal()),
  };
}

function errorRates(n: number, share: number): Cell {
  return {
    simulation: 'gate, truth at the margin',
    setting: `n = ${n}, accuracy, margin .02, 4 % of rows lost and 2 % won`,
    gate: { metrics: { accuracy: { notWorseBy: 0.02 } }, iterations: 1000, seed: 1 },
    share,
    limited: true,
    rows: (random) =>
      Array.from({ length: n }, (_, i) => {
        const u = random.uniform();
        const champion = u < 0.04 ? 1 : u < 0.06 ? 0 : 1;
        return { key: String(i), label: 1, champion, candidate: u < 0.04 ? 0 : 1 };
      }),
  };
}

function heavyTails(n: number, share: number, limited: boolean): Cell {
  return {
    simulation: 'gate, heavy tails',
    setting: `n = ${n}, margin .01, 1 row in 400 costs 4, the others differ by .1`,
    gate: maeGate(0.01),
    share,
    limited,
    rows: (random) => rowsOf(n, random, () => 0.1 * random.normal() + (random.uniform() < 1 / 400 ? 4 : 0)),
  };
}

function clustered(days: number, named: boolean, share: number): Cell {
  const n = 2000;
  return {
    simulation: 'gate, rows of a day hang together',
    setting: `n = ${n} in ${days} days, margin .02, day effect .05, rows .3${named ? '' : ', days not given to the gate'}`,
    gate: maeGate(0.02),
    share,
    limited: named,
    rule: named ? 'retempo' : 'rows taken as independent',
    rows: (random) => {
      const effects = Array.from({ length: days }, () => 0.05 * random.normal());
      const difference = (i: number): number => 0.02 + effects[i % days]! + 0.3 * random.normal();
      return rowsOf(n, random, difference, named ? (i) => i % days : undefined);
    },
  };
}

const cells: readonly Cell[] = [
  lightTails(500, 0.4),
  lightTails(2000, 0.2),
  errorRates(1000, 0.2),
  errorRates(4000, 0.1),
  heavyTails(500, 0.4, false),
  heavyTails(2000, 0.2, true),
  heavyTails(8000, 0.05, true),
  ...[5, 7, 20, 60].map((days) => clustered(days, true, 0.2)),
  clustered(20, false, 0.2),
];

/**
 * A candidate that is worse than the champion by exactly the margin: how often the gate accepts it. Alpha .05, 1,000
 * resamples; the limit has half a point of room for the bootstrap, and 3 Monte-Carlo errors.
 */
export const run: Simulation = ({ trials, seed }) =>
  cells.flatMap((cell) => {
    const random = createRandom(seed);
    const cellTrials = Math.max(30, Math.round(trials * cell.share));
    let accepted = 0;
    let undecided = 0;
    for (let trial = 0; trial < cellTrials; trial++) {
      const { verdict } = runGate({ gate: { ...cell.gate, seed: trial }, rows: cell.rows(random) });
      if (verdict === 'pass') accepted++;
      if (verdict === 'inconclusive') undecided++;
    }
    const base = {
      simulation: cell.simulation,
      setting: cell.setting,
      trials: cellTrials,
      seed,
      rule: cell.rule ?? 'retempo',
    };
    const limit = cell.limited ? ({ kind: 'atMost', value: alpha + 0.005 } as const) : null;
    const rows: SimulationRow[] = [
      shareRow({ ...base, quantity: 'P(accepted, truth at the margin)', count: accepted, limit }),
      shareRow({ ...base, quantity: 'P(inconclusive)', count: undecided }),
    ];
    return rows;
  });
