import type { DriftFeature } from './index.js';

// Features of windows small enough to see through.

/** `n` rows, a tenth of them in each of ten bins. */
export const deciles = (n: number): number[] => Array.from({ length: 10 }, () => n / 10);

export const calm: DriftFeature = {
  name: 'distance',
  kind: 'numeric',
  train: { counts: deciles(10_000) },
  current: { counts: deciles(1000) },
};
export const moved: DriftFeature = {
  name: 'origin',
  kind: 'categorical',
  train: { counts: [5000, 3000, 2000] },
  current: { counts: [300, 300, 400] },
};
