import { createRandom } from '../random.js';
import { rateRatioSequence } from '../sequential/index.js';
import { mantelHaenszel } from '../two-arms/index.js';
import { retempoFails, simulateCanaries, steadyLooks, zRule, type Draw } from './canary-engine.js';
import { gammaFactor } from './draws.js';
import { shareRow, type SimulationOptions, type SimulationRow } from './simulation.js';

const ALPHA = 0.05;

/** Events in bursts of a fixed size: as many bursts as keep the rate. */
const bursts =
  (size: number): Draw =>
  (random, units, rate) =>
    Math.min(units, size * random.poisson((units * rate) / size));

/** Every look of every arm has its own rate: a gamma factor with the given squared coefficient of variation. */
const perLook =
  (squaredVariation: number): Draw =>
  (random, units, rate) =>
    random.binomial(units, Math.min(1, rate * gammaFactor(random, 1 / squaredVariation)));

interface Structure {
  readonly words: string;
  readonly draw: Draw;
  /** Variance over mean of the counts between two looks. */
  readonly factor: number;
}

const BASE = 0.01;
const UNITS = 200;
const LOOKS = 60;

const STRUCTURES: readonly Structure[] = [
  { words: 'errors in bursts of 3', draw: bursts(3), factor: 3 },
  { words: 'errors in bursts of 10', draw: bursts(10), factor: 10 },
  // Champion looks are the larger ones at 50/50 as well: mean 2 per look, variance 2 + .5 * 2^2.
  { words: 'per-look effects with cv .71', draw: perLook(0.5), factor: 1 + BASE * UNITS * 0.5 },
];

/** A/A canaries whose errors are not independent: the plain test, and the same with its declared factor. */
const dependent = ({ trials, seed }: SimulationOptions): SimulationRow[] =>
  STRUCTURES.flatMap(({ words, draw, factor }, i) => {
    const looks = steadyLooks(LOOKS, UNITS, 0.5, () => BASE);
    const plain = retempoFails({ alpha: ALPHA, limit: 1 });
    const declared = retempoFails({ alpha: ALPHA, limit: 1, overdispersion: factor });
    const rules = [plain, declared, zRule];
    const outcomes = simulateCanaries({ looks, ratio: 1, rules, trials, seed: seed + i, draw });
    const setting = `A/A, ${words}, base 1 %, split 50/50, ${LOOKS} looks x ${UNITS} candidate requests`;
    const common = { simulation: 'dependent errors', quantity: 'P(ever rolled back)', trials, seed: seed + i };
    const limit = { kind: 'atMost', value: ALPHA } as const;
    return [
      shareRow({ ...common, setting, rule: 'retempo, nothing declared', count: outcomes[0]?.acted ?? 0 }),
      shareRow({ ...common, setting: `${setting}, overdispersion ${factor}`, count: outcomes[1]?.acted ?? 0, limit }),
      shareRow({ ...common, setting, rule: zRule.name, count: outcomes[2]?.acted ?? 0 }),
    ];
  });

/**
 * Simpson's paradox: the candidate is 1.3 times worse in both steps, but most of its traffic comes in the quiet hour.
 * Sizes give a stratified z of about 7.
 */
const STEPS = [
  { candidateUnits: 5_000, championUnits: 95_000, baseRate: 0.05 },
  { candidateUnits: 100_000, championUnits: 100_000, baseRate: 0.01 },
] as const;
const TRUE_RATIO = 1.3;

const simpson = ({ trials, seed }: SimulationOptions): SimulationRow[] => {
  const random = createRandom(seed + 20);
  let ratioRight = 0;
  let differenceRight = 0;
  let pooledWrong = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const strata = STEPS.map(({ candidateUnits, championUnits, baseRate }) => ({
      candidate: { events: random.binomial(candidateUnits, baseRate * TRUE_RATIO), trials: candidateUnits },
      champion: { events: random.binomial(championUnits, baseRate), trials: championUnits },
    }));
    if ((rateRatioSequence({ steps: strata, alpha: ALPHA }).estimate ?? 0) > 1) ratioRight += 1;
    if ((mantelHaenszel({ strata }).riskDifference ?? 0) > 0) differenceRight += 1;
    const rate = (arm: 'candidate' | 'champion'): number =>
      strata.reduce((sum, stratum) => sum + stratum[arm].events, 0) /
      strata.reduce((sum, stratum) => sum + stratum[arm].trials, 0);
    if (rate('candidate') < rate('champion')) pooledWrong += 1;
  }
  const setting =
    'candidate 1.3x worse in both steps; 5 % of 100,000 requests at base 5 %, then 50 % of 200,000 at base 1 %';
  const common = { simulation: 'ramp with changing mix', setting, trials, seed: seed + 20 };
  const right = { kind: 'atLeast', value: 1 } as const;
  const wrong = { kind: 'atLeast', value: 0.95 } as const;
  return [
    shareRow({ ...common, quantity: 'P(stratified ratio has the right sign)', count: ratioRight, limit: right }),
    shareRow({
      ...common,
      quantity: 'P(Mantel-Haenszel difference has the right sign)',
      count: differenceRight,
      limit: right,
    }),
    shareRow({
      ...common,
      rule: 'pooled rates',
      quantity: 'P(pooled comparison has the wrong sign)',
      count: pooledWrong,
      limit: wrong,
    }),
  ];
};

/** Errors that are not independent, and traffic whose mix changes. */
export const run = (options: SimulationOptions): readonly SimulationRow[] => [
  ...dependent(options),
  ...simpson(options),
];
