import { createRandom, type Random } from '../random.js';
import { judgeDrift, type DriftFeature } from '../verdicts/index.js';
import { evidentlyDefault, nannymlDefault, plainKolmogorovSmirnov, type DriftRule } from './drift-peers.js';
import { shareRow, type ShareRowInput, type Simulation, type SimulationRow } from './simulation.js';

type Draw = (random: Random) => number;

/** Four features of each kind, 20 in all; all have a standard deviation of about 1 or more. */
const kinds: readonly Draw[] = [
  (random) => random.normal(),
  (random) => Math.exp(random.normal()),
  (random) => random.normal() / Math.sqrt((random.normal() ** 2 + random.normal() ** 2 + random.normal() ** 2) / 3),
  (random) => (random.uniform() < 0.7 ? 0 : random.exponential()),
  (random) => random.poisson(3),
];
const featureCount = 20;

const peers: readonly { readonly rule: string; readonly drifted: DriftRule }[] = [
  { rule: 'Evidently default (Wasserstein >= .1)', drifted: evidentlyDefault },
  { rule: 'NannyML default (Jensen-Shannon, 3 sd of 10 chunks)', drifted: nannymlDefault },
  { rule: 'Kolmogorov-Smirnov p < .05', drifted: plainKolmogorovSmirnov },
];

/**
 * Rows of a window, its share of the asked trials, the share in which the peers are asked too (they alarm so often that
 * fewer windows show it), and how often any alarm is allowed.
 */
const calmCells = [
  { n: 500, share: 0.05, peerShare: 0.02, least: 40, atMost: 0.1 },
  { n: 1000, share: 0.03, peerShare: 0.02, least: 20, atMost: 0.1 },
  { n: 5000, share: 0.03, peerShare: 0.005, least: 0, atMost: 0.01 },
  { n: 50_000, share: 0.006, peerShare: 0.001, least: 0, atMost: 0.01 },
] as const;

/**
 * 20 features, window of n rows, reference of 10 n: how often any of them is called drifted though none is (judgeDrift
 * before confirmation, and the peers' defaults), and how often one shift of .2 standard deviations is found.
 * Fewer trials than asked, by the size of a window: see the trials of each row; `drift-counts` judges as many as asked.
 */
export const run: Simulation = ({ trials, seed }) => {
  const rows: SimulationRow[] = [];
  for (const { n, share, peerShare, least, atMost } of calmCells) {
    const cellTrials = Math.max(least, Math.floor(trials * share));
    const peerTrials = Math.max(least, Math.floor(trials * peerShare));
    // Windows of 5,000 rows and more take seconds, and a handful says nothing about a limit of 1 %.
    if (cellTrials < 20) continue;
    const setting = `20 stable features (normal, lognormal, t3, zero-inflated, Poisson), n = ${n}, reference ${10 * n}`;
    const base = {
      simulation: 'stable features',
      setting,
      quantity: 'P(any alarm in a window)',
      trials: cellTrials,
      seed,
    };
    rows.push(...compare(base, { n, shift: 0, limit: { kind: 'atMost', value: atMost }, any: true, peerTrials }));
  }
  const found = {
    simulation: 'one shifted feature',
    setting: '.2 standard deviations in 1 of 20 features (the first, normal), n = 1000, reference 10000',
    quantity: 'P(that feature found in the window)',
    trials: Math.max(12, Math.round(trials * 0.04)),
    seed,
  };
  const cell = { n: 1000, shift: 0.2, limit: { kind: 'atLeast', value: 0.95 }, any: false } as const;
  rows.push(...compare(found, { ...cell, peerTrials: Math.max(12, Math.round(trials * 0.02)) }));
  rows.push(smallReference(seed));
  return rows;
};

function compare(
  base: Omit<ShareRowInput, 'count'>,
  cell: {
    readonly n: number;
    readonly shift: number;
    readonly limit: ShareRowInput['limit'] & {};
    readonly any: boolean;
    readonly peerTrials: number;
  }
): SimulationRow[] {
  const random = createRandom(base.seed);
  const counts = peers.map(() => 0);
  let own = 0;
  const says = (flags: readonly boolean[]): boolean => (cell.any ? flags.includes(true) : flags[0]!);
  for (let trial = 0; trial < base.trials; trial++) {
    const features = draw(random, cell.n, 10 * cell.n, cell.shift);
    if (says(judgeDrift({ features }).features.map(({ drifted }) => drifted))) own++;
    if (trial >= cell.peerTrials) continue;
    peers.forEach(({ drifted }, k) => {
      const flags = features.map(({ train, current }) => drifted(valuesOf(train), valuesOf(current)));
      if (says(flags)) counts[k]!++;
    });
  }
  const rows = peers.map(({ rule }, k) => shareRow({ ...base, rule, count: counts[k]!, trials: cell.peerTrials }));
  return [shareRow({ ...base, count: own, limit: cell.limit }), ...rows];
}

function valuesOf(window: DriftFeature['train']): Float64Array {
  return window.values as Float64Array;
}

function draw(random: Random, n: number, referenceRows: number, shift: number): DriftFeature[] {
  return Array.from({ length: featureCount }, (_, f) => {
    const kind = kinds[f % kinds.length]!;
    const sample = (size: number, by: number): Float64Array =>
      Float64Array.from({ length: size }, () => kind(random) + by);
    return {
      name: `feature${f}`,
      kind: 'numeric' as const,
      train: { values: sample(referenceRows, 0) },
      current: { values: sample(n, f === 0 ? shift : 0) },
    };
  });
}

function smallReference(seed: number): SimulationRow {
  const trials = 20;
  const random = createRandom(seed);
  let said = 0;
  for (let trial = 0; trial < trials; trial++) {
    const { reasons } = judgeDrift({ features: draw(random, 1000, 2000, 0) });
    if (reasons.some((reason) => reason.includes('fewer than 10 times the rows'))) said++;
  }
  return shareRow({
    simulation: 'small reference',
    setting: '20 stable features, n = 1000, reference 2000',
    quantity: 'P(the report says that the reference is small)',
    count: said,
    limit: { kind: 'atLeast', value: 1 },
    trials,
    seed,
  });
}
