import { describe, expect, it } from 'vitest';
import { run as errors } from './canary-errors.js';
import { run as power } from './canary-power.js';
import { run as structure } from './canary-structure.js';
import type { Simulation } from './simulation.js';

const SEED = 20_261_121;

/** Short form: the seed is fixed and printed, so a broken limit is a broken rule and not bad luck. */
const SIMULATIONS: [string, Simulation, number][] = [
  ['false rollbacks and false advances', errors, 250],
  ['power, healthy candidates, small rates', power, 1_000],
  ['dependent errors and changing mix', structure, 1_000],
];

describe('canary simulations, short form', () => {
  for (const [name, run, trials] of SIMULATIONS) {
    it(`${name}: ${trials} trials, seed ${SEED}`, () => {
      const rows = run({ trials, seed: SEED });
      expect(rows.length).toBeGreaterThan(5);
      const broken = rows.filter(({ pass }) => !pass);
      expect(broken).toEqual([]);
    }, 120_000);
  }

  it('shows that the plain test breaks where errors depend on each other', () => {
    const rows = structure({ trials: 500, seed: SEED });
    const plain = rows.filter(({ rule }) => rule === 'retempo, nothing declared');
    expect(plain).toHaveLength(3);
    expect(plain.every(({ measured }) => measured > 0.1)).toBe(true);
  });

  it('gives the same rows for the same seed', () => {
    expect(structure({ trials: 50, seed: 1 })).toEqual(structure({ trials: 50, seed: 1 }));
  });
});
