import { reject, requireCount, requireObject, requireParameter, requireShare } from '../input.js';
import type { Interval } from '../two-arms/index.js';
import { countEvidence } from './count-evidence.js';
import { lastNonNegative } from './crossing.js';
import { bestRho } from './normal-mixture.js';

/** Input of {@link bernoulliConfidenceSequence}. */
export interface BernoulliSequenceInput {
  readonly successes: number;
  readonly trials: number;
  readonly alpha: number;
  /** Number of trials at which the interval is tightest. */
  readonly tOptimum: number;
}

/** The level at which the prior is tuned, as confseq. */
const TUNING_ALPHA = 0.05;

/**
 * Confidence sequence of a probability, valid at any stop: the p that a beta-binomial mixture centred on p does not
 * reject (Howard et al., arXiv 1810.08240; `bernoulli_confidence_interval` of confseq with alpha_opt .05). Its prior has
 * strength max(tOptimum / (2 ln 20 + ln(1 + 2 ln 20)) - 1, .001). 1 of 2 gives [0, 1]; so do no trials.
 * Throws `AnalysisInputError` for malformed counts, alpha outside (0, 1), tOptimum <= 0.
 */
export const bernoulliConfidenceSequence = (input: BernoulliSequenceInput): Interval => {
  requireObject('input', input);
  const { successes, trials, alpha, tOptimum } = input;
  requireCount('successes', successes);
  requireCount('trials', trials);
  if (successes > trials) reject('successes', `at most trials (${trials})`, successes);
  requireShare('alpha', alpha);
  requireParameter('tOptimum', tOptimum);
  const strength = Math.max(bestRho(tOptimum, TUNING_ALPHA) - 1, 1e-3);
  const needed = -Math.log(alpha);
  const failures = trials - successes;
  // Log-odds: both ends of (0, 1) are equally far away.
  const excess = (logOdds: number): number => {
    // The smaller of share and rest is computed directly; the test is symmetric in both.
    const share = Math.exp(-Math.abs(logOdds)) / (1 + Math.exp(-Math.abs(logOdds)));
    const [candidateEvents, championEvents] = logOdds < 0 ? [successes, failures] : [failures, successes];
    const split = { candidateEvents, championEvents, candidateShare: share, championShare: 1 - share };
    return countEvidence(split, 1, 'two-sided', strength) - needed;
  };
  const centre = Math.log((successes + 0.25) / (failures + 0.25));
  const end = (direction: 1 | -1): number | null => {
    let outside = centre;
    for (let stride = 0.25; ; stride *= 1.4) {
      const next = outside + direction * stride;
      // Without successes (failures) nothing below (above) is ever rejected.
      if (Math.abs(next) > 700) return null;
      if (excess(next) >= 0) {
        return logistic(lastNonNegative(excess, next, outside));
      }
      outside = next;
    }
  };
  return { lower: end(-1) ?? 0, upper: end(1) ?? 1 };
};

const logistic = (logOdds: number): number => 1 / (1 + Math.exp(-logOdds));
