import { normalQuantile } from '../distributions/index.js';
import { requireCount, requireObject, requireParameter, requirePositive, requireShare } from '../input.js';
import { createRandom } from '../random.js';
import { countEvidence } from '../sequential/count-evidence.js';
import { DEFAULT_PRIOR_STRENGTH } from '../sequential/index.js';
import { AnalysisInputError } from '../errors.js';
import { isSmall } from './judge-metric-harm.js';

/** Input of {@link powerCount}: one traffic step, looked at `looks` times. */
export interface PowerCountInput {
  /** Event rate of the champion, inside (0, 1). */
  readonly baseRate: number;
  /** True ratio of the candidate's rate to the champion's. */
  readonly ratio: number;
  /** Fails when the ratio is proven above it (`worseThan`). */
  readonly allowedRatio: number;
  /** Passes when the ratio is proven below it; default `allowedRatio`. */
  readonly safeBelow?: number;
  /** Passes when the candidate's own rate is proven below it; default null, off. */
  readonly ignoreBelow?: number | null;
  /** Candidate's share of the traffic, inside (0, 1). */
  readonly share: number;
  readonly alpha: number;
  readonly looks: number;
  /** Units of the candidate that arrive between two looks; the champion gets (1 - share) / share times as many. */
  readonly perLook: number;
  readonly priorStrength?: number;
  readonly seed: number;
  /** Simulated canaries; default 2,000. */
  readonly trials?: number;
}

/** What would happen, by simulation. */
export interface PowerCountResult {
  /** Share of canaries whose first decision was `fail`. */
  readonly probabilityFail: number;
  /** Share of canaries whose first decision was `pass`. */
  readonly probabilityPass: number;
  /** Median look of the first decision among those that decided, from 1; null when none did. */
  readonly medianLook: number | null;
  /** Units of the candidate by then; null when none decided. */
  readonly medianUnits: number | null;
  /**
   * Units of the candidate by which at least 95 % of all canaries have passed: the upper 95 % limit of that quantile, so
   * that the simulation's own noise does not promise too much. Null when fewer pass. What `plan` prints.
   */
  readonly passUnits95: number | null;
  /** Half-widths of the 95 % intervals of the two probabilities, from the simulation's own noise. */
  readonly errorFail: number;
  readonly errorPass: number;
  readonly trials: number;
}

/** Half-width of a 95 % Wilson interval: also right for a share of 0 or 1. */
const shareHalfWidth = (share: number, trials: number): number => {
  const z = -normalQuantile(0.025);
  return (z * Math.sqrt(share * (1 - share) * trials + (z * z) / 4)) / (trials + z * z);
};

/**
 * The planner of a canary step: simulates it under a true ratio and counts the first decisions of `judgeMetric`'s rule
 * for event rates. The errors say how exact the simulation is; the same seed gives the same numbers.
 * Throws `AnalysisInputError` for rates or shares outside (0, 1), a candidate rate of 1 or more, counts below 1,
 * `safeBelow` below `allowedRatio`.
 *
 * @example powerCount({ baseRate: .01, ratio: 2, allowedRatio: 1, share: .05, alpha: .05, looks: 12, perLook: 200, seed: 1 })
 */
export const powerCount = (input: PowerCountInput): PowerCountResult => {
  requireObject('input', input);
  const {
    baseRate,
    ratio,
    allowedRatio,
    share,
    alpha,
    looks,
    perLook,
    seed,
    trials = 2_000,
    ignoreBelow = null,
  } = input;
  const { priorStrength = DEFAULT_PRIOR_STRENGTH, safeBelow = allowedRatio } = input;
  requireShare('baseRate', baseRate);
  requirePositive('ratio', ratio);
  if (baseRate * ratio >= 1)
    throw new AnalysisInputError('ratio', `must leave the candidate's rate below 1, got ${baseRate * ratio}`);
  requireParameter('allowedRatio', allowedRatio);
  requireParameter('safeBelow', safeBelow);
  if (safeBelow < allowedRatio)
    throw new AnalysisInputError('safeBelow', `must be at least allowedRatio (${allowedRatio}), got ${safeBelow}`);
  if (ignoreBelow !== null) requireShare('ignoreBelow', ignoreBelow);
  requireShare('share', share);
  requireShare('alpha', alpha);
  requireCount('looks', looks, 1);
  requireCount('perLook', perLook, 1);
  requireParameter('priorStrength', priorStrength);
  requireCount('trials', trials, 1);
  const championPerLook = Math.max(1, Math.round((perLook * (1 - share)) / share));
  const candidateShare = perLook / (perLook + championPerLook);
  const championShare = championPerLook / (perLook + championPerLook);
  const needed = -Math.log(alpha);
  const random = createRandom(seed);
  const decidedAt: number[] = [];
  const passedAt: number[] = [];
  let fails = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    let candidateEvents = 0;
    let championEvents = 0;
    for (let look = 1; look <= looks; look += 1) {
      candidateEvents += random.binomial(perLook, baseRate * ratio);
      championEvents += random.binomial(championPerLook, baseRate);
      const split = { candidateEvents, championEvents, candidateShare, championShare };
      const safe = countEvidence(split, safeBelow, 'less', priorStrength) >= needed;
      const small = isSmall(candidateEvents, look * perLook, alpha, { ignoreBelow, priorStrength, overdispersion: 1 });
      const worse = countEvidence(split, allowedRatio, 'greater', priorStrength) >= needed;
      if (!safe && !small && !worse) continue;
      if (safe || small) passedAt.push(look);
      else fails += 1;
      decidedAt.push(look);
      break;
    }
  }
  decidedAt.sort((a, b) => a - b);
  passedAt.sort((a, b) => a - b);
  const passes = passedAt.length;
  // The order statistic that lies above the true quantile in 95 of 100 simulations.
  const rank = Math.ceil(0.95 * trials - normalQuantile(0.05) * Math.sqrt(trials * 0.95 * 0.05));
  const look95 = passedAt[rank - 1] ?? null;
  const medianLook = decidedAt[Math.floor((decidedAt.length - 1) / 2)] ?? null;
  return {
    probabilityFail: fails / trials,
    probabilityPass: passes / trials,
    medianLook,
    medianUnits: medianLook === null ? null : medianLook * perLook,
    passUnits95: look95 === null ? null : look95 * perLook,
    errorFail: shareHalfWidth(fails / trials, trials),
    errorPass: shareHalfWidth(passes / trials, trials),
    trials,
  };
};
