import { kolmogorovSmirnov, wasserstein } from '../drift/index.js';
import { jensenShannonDistance } from '../drift/distances.js';
import { moments } from '../sums.js';

/** A rule that says whether one feature of a window has drifted. */
export type DriftRule = (reference: Float64Array, current: Float64Array) => boolean;

/** Evidently 0.7 by default, reference above 1,000 rows: Wasserstein distance over the standard deviation >= .1, unclipped. */
export const evidentlyDefault: DriftRule = (reference, current) => {
  const { n, squaredDeviations } = moments(reference);
  return wasserstein({ x: reference, y: current }) / Math.max(Math.sqrt(squaredDeviations / n), 0.001) >= 0.1;
};

/** The rule of many dashboards: Kolmogorov-Smirnov p < .05 per feature. */
export const plainKolmogorovSmirnov: DriftRule = (reference, current) =>
  kolmogorovSmirnov({ x: reference, y: current, method: 'asymptotic' }).pValue < 0.05;

/**
 * NannyML 0.13 by default: Jensen-Shannon distance (base 2) over Doane's equal-width bins of the reference, alarm above
 * mean + 3 standard deviations of the ten chunks of the reference itself.
 */
export const nannymlDefault: DriftRule = (reference, current) => {
  const { low, width, bins } = doaneBins(reference);
  const count = (values: Float64Array): number[] => {
    const counts = Array.from({ length: bins + 1 }, () => 0);
    for (const value of values) {
      const bin = Math.floor((value - low) / width);
      // The last bin is closed; what lies outside the reference goes to one bin of its own.
      const inside = value >= low && value <= low + bins * width;
      counts[inside ? Math.min(bin, bins - 1) : bins]! += 1;
    }
    return counts;
  };
  const whole = count(reference);
  const distance = (values: Float64Array): number =>
    jensenShannonDistance({ reference: whole, current: count(values), base: 2 });
  const size = Math.floor(reference.length / 10);
  const chunks = Float64Array.from({ length: 10 }, (_, i) => distance(reference.subarray(i * size, (i + 1) * size)));
  const { mean, squaredDeviations } = moments(chunks);
  return distance(current) > mean + 3 * Math.sqrt(squaredDeviations / 10);
};

/** numpy.histogram_bin_edges(values, 'doane'). */
function doaneBins(values: Float64Array): { low: number; width: number; bins: number } {
  const { n, mean, squaredDeviations } = moments(values);
  const deviation = Math.sqrt(squaredDeviations / n);
  let third = 0;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    third += ((value - mean) / deviation) ** 3;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const error = Math.sqrt((6 * (n - 2)) / ((n + 1) * (n + 3)));
  const estimated = 1 + Math.log2(n) + Math.log2(1 + Math.abs(third / n) / error);
  const bins = Math.ceil(estimated);
  return { low, width: (high - low) / bins, bins };
}
