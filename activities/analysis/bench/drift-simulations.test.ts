import { describe, expect, it } from 'vitest';
import { run as counts } from './drift-counts.js';
import { run as eDetector } from './drift-e-detector.js';
import { run as features } from './drift-features.js';
import { run as nonInferiority } from './gate-non-inferiority.js';
import { run as ratchet } from './gate-ratchet.js';
import type { Simulation } from './simulation.js';

// Short form; the long form is `npm run bench:statistics`. Rows without a limit are printed for comparison only.
const simulations: Readonly<Record<string, Simulation>> = { features, counts, eDetector, nonInferiority, ratchet };

describe('drift and gate simulations, short form', () => {
  it.each(Object.entries(simulations))('%s holds its limits', { timeout: 300_000 }, (_name, run) => {
    const rows = run({ trials: 100, seed: 20_260_101 });
    const failed = rows.filter(({ pass }) => !pass);
    expect(failed).toEqual([]);
    expect(rows.some(({ limit }) => limit !== null)).toBe(true);
  });
});
