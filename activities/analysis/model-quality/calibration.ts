import { sortedQuantile } from '../two-arms/paired-bootstrap.js';
import { requireCount, requireOneOf } from '../input.js';
import { requireScoredLabels, type ScoredLabels } from './checks.js';

/** Input of {@link calibrationError}. */
export interface CalibrationErrorInput extends ScoredLabels {
  /** Number of bins, at least 1. */
  readonly bins: number;
  /** `equalWidth`: edges i / bins. `equalMass`: edges at the type-7 quantiles i / bins of the probabilities. */
  readonly binning: 'equalWidth' | 'equalMass';
}

/**
 * Expected calibration error: over bins (previous edge, edge], the first one closed on the left, the mean of
 * |mean probability - share of label 1| weighted by rows. 0 is perfect. The value depends on the bins: always state
 * them. Equal probabilities are never split over two bins.
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, probabilities outside [0, 1], unequal lengths,
 * bins that is not a whole number of at least 1, or an unknown binning.
 *
 * @example
 * calibrationError({ labels: [1, 0], probabilities: [0.9, 0.4], bins: 5, binning: 'equalWidth' }); // 0.25
 */
export function calibrationError(input: CalibrationErrorInput): number {
  requireScoredLabels(input);
  requireCount('bins', input.bins, 1);
  requireOneOf('binning', input.binning, ['equalWidth', 'equalMass']);
  const upperEdges = upperEdgesOf(input);
  const gap = new Float64Array(input.bins);
  for (let i = 0; i < input.labels.length; i++) {
    gap[binOf(input.probabilities[i]!, upperEdges)]! += input.probabilities[i]! - input.labels[i]!;
  }
  return gap.reduce((sum, value) => sum + Math.abs(value), 0) / input.labels.length;
}

function upperEdgesOf({ probabilities, bins, binning }: CalibrationErrorInput): Float64Array {
  if (binning === 'equalWidth') return Float64Array.from({ length: bins }, (_, i) => (i + 1) / bins);
  const sorted = Float64Array.from(probabilities).sort();
  return Float64Array.from({ length: bins }, (_, i) => sortedQuantile(sorted, (i + 1) / bins));
}

/** Index of the first upper edge that is not below the value; the last edge is at least as large as every value. */
function binOf(value: number, upperEdges: Float64Array): number {
  let low = 0;
  let high = upperEdges.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= upperEdges[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Output of {@link calibrationSlope}. */
export interface CalibrationSlope {
  /** 1 is perfect; below 1 the probabilities are too extreme. null when it could not be determined. */
  readonly slope: number | null;
  /** 0 is perfect; above 0 the model says too little. null when it could not be determined. */
  readonly intercept: number | null;
  /** False when the data determine no finite answer: one class only, equal probabilities, or perfect separation. */
  readonly converged: boolean;
}

/**
 * Calibration slope and intercept (Cox 1958): logistic regression of the label on logit(probability), by maximum
 * likelihood (Newton steps, halved while the likelihood falls). Probabilities are clipped at 1e-15 from both ends.
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, probabilities outside [0, 1], unequal lengths.
 *
 * @example
 * calibrationSlope({ labels: [1, 0, 1, 0], probabilities: [0.8, 0.3, 0.4, 0.6] }).converged; // true
 */
export function calibrationSlope(input: ScoredLabels): CalibrationSlope {
  requireScoredLabels(input);
  const logits = Float64Array.from(input.probabilities, (p) => Math.log(Math.max(p, 1e-15) / Math.max(1 - p, 1e-15)));
  const none: CalibrationSlope = { slope: null, intercept: null, converged: false };
  if (isSeparated(input.labels, logits)) return none;
  let intercept = 0;
  let slope = 0;
  let likelihood = logLikelihood(input.labels, logits, intercept, slope);
  for (let step = 0; step < 200; step++) {
    const { da, db } = newtonStep(input.labels, logits, intercept, slope);
    if (!Number.isFinite(da) || !Number.isFinite(db)) return none;
    let factor = 1;
    let next = logLikelihood(input.labels, logits, intercept + da, slope + db);
    while (next < likelihood - 1e-12 * Math.abs(likelihood) && factor > 1e-10) {
      factor /= 2;
      next = logLikelihood(input.labels, logits, intercept + factor * da, slope + factor * db);
    }
    intercept += factor * da;
    slope += factor * db;
    likelihood = next;
    const small = 1e-12;
    if (Math.abs(da) <= small * (1 + Math.abs(intercept)) && Math.abs(db) <= small * (1 + Math.abs(slope))) {
      return { slope, intercept, converged: true };
    }
  }
  return none;
}

/** Without overlap of the classes the likelihood has no maximum at finite values (Albert & Anderson 1984). */
function isSeparated(labels: ScoredLabels['labels'], logits: Float64Array): boolean {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (let i = 0; i < labels.length; i++) {
    low[labels[i]!] = Math.min(low[labels[i]!]!, logits[i]!);
    high[labels[i]!] = Math.max(high[labels[i]!]!, logits[i]!);
  }
  return high[0]! <= low[1]! || high[1]! <= low[0]!;
}

function logLikelihood(labels: ScoredLabels['labels'], logits: Float64Array, intercept: number, slope: number): number {
  let sum = 0;
  for (let i = 0; i < labels.length; i++) {
    const eta = intercept + slope * logits[i]!;
    const signed = labels[i] === 1 ? -eta : eta;
    sum -= signed > 0 ? signed + Math.log1p(Math.exp(-signed)) : Math.log1p(Math.exp(signed));
  }
  return sum;
}

function newtonStep(labels: ScoredLabels['labels'], logits: Float64Array, intercept: number, slope: number) {
  let ga = 0;
  let gb = 0;
  let weight = 0;
  let mean = 0;
  for (let i = 0; i < labels.length; i++) {
    const p = 1 / (1 + Math.exp(-(intercept + slope * logits[i]!)));
    weight += p * (1 - p);
    mean += p * (1 - p) * logits[i]!;
  }
  mean /= weight;
  let spread = 0;
  for (let i = 0; i < labels.length; i++) {
    const p = 1 / (1 + Math.exp(-(intercept + slope * logits[i]!)));
    const centred = logits[i]! - mean;
    ga += labels[i]! - p;
    gb += (labels[i]! - p) * centred;
    spread += p * (1 - p) * centred * centred;
  }
  // Solved for the centred logit, where the two equations separate and nothing cancels.
  const db = gb / spread;
  return { da: ga / weight - db * mean, db };
}
