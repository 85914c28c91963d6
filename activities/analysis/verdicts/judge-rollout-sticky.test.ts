import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { judgeRollout } from './judge-rollout.js';
import type { ExposureStep, RolloutState } from './judge-rollout-types.js';

// Sticky routing tells the same units at every step: who was with the candidate at 5 % is there at 25 %. What chance did at
// the first step it does again at all of them, so that the product of their evidence has no level.

const srmAlpha = 0.05;
const weights = [5, 25, 50];
const strategy = { steps: [...weights, 100].map((weight) => ({ weight })), srmAlpha };
const units = 400;
const looksPerStep = 10;

interface World {
  readonly isSticky: boolean;
  /** Share of the units that really get the candidate, for the weight that was set. */
  readonly share?: (weight: number) => number;
}

/** True when the split was called wrong at any look of one canary. */
function alarms(seed: number, { isSticky, share = (weight) => weight / 100 }: World): boolean {
  const random = createRandom(seed);
  const places = Array.from({ length: units }, () => random.uniform());
  let previous: RolloutState | undefined;
  const steps: ExposureStep[] = [];
  for (const [index, weight] of weights.entries()) {
    for (let look = 1; look <= looksPerStep; look++) {
      const seen = places.slice(0, Math.round((units * look) / looksPerStep));
      const candidate = seen.filter((place) => place < share(weight)).length;
      steps[index] = { candidate, champion: seen.length - candidate, expectedShare: weight / 100 };
      const { state, cause } = judgeRollout({
        strategy,
        metrics: [{ name: 'errors', role: 'guardrail', verdict: 'pass' }],
        exposures: { steps: [...steps], isSticky },
        step: { index, elapsedSeconds: 60, units: { candidate: seen.length, champion: seen.length } },
        ...(previous === undefined ? {} : { previous }),
      });
      if (cause === 'sampleRatio') return true;
      previous = state;
    }
  }
  return false;
}

const rate = (canaries: number, world: World): number =>
  Array.from({ length: canaries }, (_, seed) => alarms(20261121 + seed, world)).filter(Boolean).length / canaries;

describe('judgeRollout on sticky units', () => {
  it('keeps the level of its sample-ratio test over all looks and steps, and alarms less often than a product', () => {
    const canaries = 1_500;
    // Four standard errors of a share of 5 %.
    const slack = 4 * Math.sqrt((srmAlpha * (1 - srmAlpha)) / canaries);
    const sticky = rate(canaries, { isSticky: true });
    const multiplied = rate(canaries, { isSticky: false });
    expect(sticky).toBeLessThanOrEqual(srmAlpha + slack);
    expect(sticky).toBeLessThan(multiplied);
    console.log(`false alarms at ${srmAlpha}: ${sticky} sticky, ${multiplied} multiplied; ${canaries} canaries`);
  });

  it('finds a router that gives the candidate half more than was set', () => {
    expect(rate(100, { isSticky: true, share: (weight) => (1.5 * weight) / 100 })).toBeGreaterThan(0.9);
  });
});
