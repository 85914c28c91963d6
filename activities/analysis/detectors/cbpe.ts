import {
  requireFinite,
  requireLabels,
  requireObject,
  requireProbabilities,
  requireSameLength,
  type Sample,
} from '../input.js';
import { calibrationError } from '../model-quality/index.js';
import { createRandom } from '../random.js';
import { sumOf } from '../sums.js';
import { isotonic } from './isotonic.js';

/** Input of {@link cbpe}. */
export interface CbpeInput {
  /** Labelled rows the model was not trained on. */
  readonly reference: { readonly labels: Sample; readonly probabilities: Sample };
  /** Rows whose labels have not arrived: what the model said. */
  readonly current: { readonly probabilities: Sample };
  /** A row is called class 1 when its raw probability is at least this. */
  readonly threshold: number;
}

/** An estimate and the standard deviation of the true value around it. */
export interface Estimate {
  readonly estimate: number;
  readonly standardError: number;
}

/** Output of {@link cbpe}. */
export interface CbpeResult {
  /** Expected accuracy; its error is that of rows drawn with the calibrated probabilities. */
  readonly accuracy: Estimate;
  /** Expected area under the ROC curve, error after Hanley & McNeil 1982; null when all calibrated ones are 0 or all 1. */
  readonly auc: Estimate | null;
  readonly calibration: {
    /**
     * Expected calibration error of calibrated probabilities on reference rows that were not used to calibrate (two
     * halves, each judged by the other; 10 bins of equal mass). 0 to 1.
     */
    readonly error: number;
    /** False above .05, or when the reference holds one class only: do not use the estimates then. */
    readonly healthy: boolean;
  };
}

/** Limit of the calibration error above which the estimates are not to be used: 5 points of accuracy. */
const healthyBelow = 0.05;

/**
 * Quality without labels (confidence-based performance estimation, as NannyML): probabilities are calibrated on the
 * reference by isotonic regression, the class comes from the raw probability, and every row counts with its calibrated
 * chance of being right. It follows covariate shift and is **blind to concept drift**: an estimate, never the ground for
 * a promotion. An expected value of the whole window: the parameters of the calibration have an error of their own.
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, probabilities outside [0, 1], unequal lengths, a
 * threshold that is not finite.
 *
 * @example
 * cbpe({ reference: { labels: [0, 1], probabilities: [0.1, 0.9] }, current: { probabilities: [0.2] }, threshold: 0.5 });
 */
export function cbpe(input: CbpeInput): CbpeResult {
  requireObject('input', input);
  const { reference, current, threshold } = input;
  requireObject('reference', reference);
  requireObject('current', current);
  requireLabels('reference.labels', reference.labels);
  requireProbabilities('reference.probabilities', reference.probabilities);
  requireSameLength('reference.probabilities', reference.probabilities, 'reference.labels', reference.labels);
  requireProbabilities('current.probabilities', current.probabilities);
  requireFinite('threshold', threshold);
  const calibrate = isotonic(reference.probabilities, reference.labels);
  const raw = current.probabilities;
  const n = raw.length;
  const calibrated = Float64Array.from(raw, calibrate);
  const right = calibrated.map((c, i) => (raw[i]! >= threshold ? c : 1 - c));
  return {
    accuracy: {
      estimate: sumOf(n, (i) => right[i]!) / n,
      standardError: Math.sqrt(sumOf(n, (i) => calibrated[i]! * (1 - calibrated[i]!))) / n,
    },
    auc: expectedAuc(raw, calibrated),
    calibration: crossCalibration(reference),
  };
}

/** Pairs weighted by the chance that the first is of class 1 and the second of class 0; equal scores count half. */
function expectedAuc(raw: Sample, calibrated: Float64Array): Estimate | null {
  const positives = sumOf(calibrated.length, (i) => calibrated[i]!);
  const negatives = sumOf(calibrated.length, (i) => 1 - calibrated[i]!);
  if (positives === 0 || negatives === 0) return null;
  const order = Uint32Array.from(raw, (_, i) => i).sort((a, b) => raw[a]! - raw[b]!);
  let below = 0;
  let wins = 0;
  for (let from = 0; from < order.length;) {
    let to = from;
    let tiedPositives = 0;
    let tiedNegatives = 0;
    for (; to < order.length && raw[order[to]!] === raw[order[from]!]; to++) {
      tiedPositives += calibrated[order[to]!]!;
      tiedNegatives += 1 - calibrated[order[to]!]!;
    }
    wins += tiedPositives * (below + tiedNegatives / 2);
    below += tiedNegatives;
    from = to;
  }
  const estimate = Math.min(1, wins / positives / negatives);
  const q1 = estimate / (2 - estimate);
  const q2 = (2 * estimate ** 2) / (1 + estimate);
  const variance =
    estimate * (1 - estimate) +
    Math.max(0, positives - 1) * (q1 - estimate ** 2) +
    Math.max(0, negatives - 1) * (q2 - estimate ** 2);
  return { estimate, standardError: Math.sqrt(Math.max(0, variance) / positives / negatives) };
}

function crossCalibration({ labels, probabilities }: CbpeInput['reference']): CbpeResult['calibration'] {
  // Drawn at random (a fixed seed): rows may come in an order that alternates.
  const random = createRandom(1);
  const halfOf = Uint8Array.from(labels, () => random.integer(2));
  const half = (side: number): { labels: number[]; probabilities: number[] } => {
    const rows = Array.from(labels, (_, i) => i).filter((i) => halfOf[i] === side);
    return { labels: rows.map((i) => labels[i]!), probabilities: rows.map((i) => probabilities[i]!) };
  };
  const halves = [half(0), half(1)] as const;
  const oneClass = labels.every((label: number) => label === labels[0]);
  // Very few rows may leave one side without any to be judged by.
  if (halves.some((rows) => rows.labels.length === 0)) return { error: 1, healthy: false };
  const judged = halves.map((rows, k) => {
    const other = halves[1 - k]!;
    const calibrate = isotonic(other.probabilities, other.labels);
    return { labels: rows.labels, probabilities: rows.probabilities.map(calibrate) };
  });
  const error = calibrationError({
    labels: judged.flatMap((rows) => rows.labels),
    probabilities: judged.flatMap((rows) => rows.probabilities),
    bins: 10,
    binning: 'equalMass',
  });
  return { error, healthy: !oneClass && error <= healthyBelow };
}
