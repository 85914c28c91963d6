import { createRandom, type Random } from '../random.js';
import { judgeDrift, type DriftFeature } from '../verdicts/index.js';
import { dirichlet, multinomial } from './draws.js';
import { shareRow, type Simulation } from './simulation.js';

const featureCount = 20;

interface CountPair {
  readonly train: readonly number[];
  readonly current: readonly number[];
}
type DrawCounts = (random: Random, n: number, referenceRows: number) => CountPair;

/**
 * A continuous feature between the deciles of its own reference. The shares of the distribution between order statistics
 * of a sample are Dirichlet, whatever the distribution: drawn so, no row is needed, and the counts are exact.
 */
const continuous: DrawCounts = (random, n, referenceRows) => {
  const tenth = referenceRows / 10;
  const train = Array.from({ length: 10 }, () => tenth);
  const shares = dirichlet(
    random,
    train.map((count, i) => (i === 9 ? count + 1 : count))
  );
  return { train, current: multinomial(random, n, shares) };
};

/** 70 % zeros, a bin of their own; the rest continuous, cut at the reference's 80 % and 90 % quantiles. */
const zeroInflated: DrawCounts = (random, n, referenceRows) => {
  const zeros = random.binomial(referenceRows, 0.7);
  const tenth = referenceRows / 10;
  const train = [zeros, 8 * tenth - zeros, tenth, tenth];
  const positive = dirichlet(random, [train[1]!, tenth, tenth + 1]);
  return { train, current: multinomial(random, n, [0.7, ...positive.map((share) => 0.3 * share)]) };
};

/** Poisson of mean 3, one bin per value from 0 to 6 and one for more. */
const poisson: DrawCounts = (random, n, referenceRows) => {
  const below = [1, 3, 9 / 2, 9 / 2, 27 / 8, 81 / 40, 81 / 80].map((weight) => weight * Math.exp(-3));
  const shares = [...below, 1 - below.reduce((sum, share) => sum + share, 0)];
  return { train: multinomial(random, referenceRows, shares), current: multinomial(random, n, shares) };
};

// Normal, lognormal and t3 are the same to a rule that sees counts between deciles.
const kinds: readonly DrawCounts[] = [continuous, continuous, continuous, zeroInflated, poisson];

/**
 * 20 stable features as the product compares them: counts between the deciles of the reference instead of values. Drawn
 * directly, so that as many windows as asked are judged at every size.
 */
export const run: Simulation = ({ trials, seed }) =>
  [
    { n: 500, atMost: 0.1 },
    { n: 1000, atMost: 0.1 },
    { n: 5000, atMost: 0.01 },
    { n: 50_000, atMost: 0.01 },
  ].map(({ n, atMost }) => {
    const random = createRandom(seed);
    let alarms = 0;
    for (let trial = 0; trial < trials; trial++) {
      const features = Array.from({ length: featureCount }, (_, f): DriftFeature => {
        const { train, current } = kinds[f % kinds.length]!(random, n, 10 * n);
        return { name: `feature${f}`, kind: 'numeric', train: { counts: train }, current: { counts: current } };
      });
      if (judgeDrift({ features }).features.some(({ drifted }) => drifted)) alarms++;
    }
    return shareRow({
      simulation: 'stable features, as counts',
      setting: `20 stable features (12 continuous, 4 zero-inflated, 4 Poisson) as counts between deciles of the reference, n = ${n}, reference ${10 * n}`,
      quantity: 'P(any alarm in a window)',
      count: alarms,
      limit: { kind: 'atMost', value: atMost },
      trials,
      seed,
    });
  });
