import { resolveMetric, unitsOf } from './judge-metric-input.js';
import { meanHarm, rateHarm } from './judge-metric-harm.js';
import { formatUnits, limitText, measuredText, missingTexts } from './judge-metric-reasons.js';
import type {
  Harm,
  JudgeMetricInput,
  MetricJudgement,
  MetricState,
  MetricStep,
  ResolvedSpec,
  Verdict,
} from './judge-metric-types.js';

const totalUnits = (steps: readonly MetricStep[]): number =>
  steps.reduce((total, { candidate, champion }) => total + unitsOf(candidate ?? null) + unitsOf(champion ?? null), 0);

/** The region that the interval lies in, before anything about missing data. */
const regionOf = (
  { lower, upper, small }: Harm,
  { worseThan, safeBelow }: ResolvedSpec
): 'fail' | 'pass' | 'both' | 'small' | 'ignored' | 'open' => {
  const worse = lower > worseThan;
  const safe = upper < safeBelow;
  // No single ratio fits steps that contradict each other. Then harm is proven in some step, and safety only in another.
  if (worse && lower > upper) return small ? 'ignored' : 'fail';
  if (worse && safe) return 'both';
  if (worse && small) return 'ignored';
  if (worse) return 'fail';
  if (safe) return 'pass';
  return small ? 'small' : 'open';
};

interface Finding {
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
}

const decide = (input: JudgeMetricInput, spec: ResolvedSpec, harm: Harm, n: number): Finding => {
  const { steps, alpha, previous } = input;
  const { errors, missing } = missingTexts(steps, spec);
  const region = regionOf(harm, spec);
  if (previous !== undefined && n < previous.n) {
    const seen = formatUnits(previous.n, spec.unit);
    const reason = `${seen} were seen at an earlier look and ${formatUnits(n, spec.unit)} now: counters were reset or data were lost`;
    return { verdict: 'error', reasons: [reason, ...errors, ...missing] };
  }
  const judged =
    steps.length === 0 ? '' : `${measuredText(steps, harm, spec)}: ${limitText(region, harm, alpha, spec)}`;
  if (region === 'fail') return { verdict: 'fail', reasons: [judged, ...errors, ...missing, ...harm.lacking] };
  if (errors.length > 0) return { verdict: 'error', reasons: [...errors, ...missing] };
  if (missing.length > 0) return { verdict: 'noData', reasons: missing };
  const current = steps.at(-1) as MetricStep;
  const least = Math.min(unitsOf(current.candidate), unitsOf(current.champion));
  const few =
    least < spec.minUnits
      ? [`the current step has ${formatUnits(least, spec.unit)} in its smaller arm, ${spec.minUnits} are needed`]
      : [];
  const reasons = [judged, ...few, ...harm.lacking];
  return { verdict: region === 'open' || few.length > 0 ? 'inconclusive' : 'pass', reasons };
};

const nextState = (
  verdict: Verdict,
  reasons: readonly string[],
  harm: Harm,
  n: number,
  previous?: MetricState
): MetricState => {
  const ends = [harm.lower, previous?.lower ?? -Infinity, harm.upper, previous?.upper ?? Infinity] as const;
  const lower = Math.max(ends[0], ends[1]);
  const upper = Math.min(ends[2], ends[3]);
  return {
    v: 1,
    n: Math.max(n, previous?.n ?? 0),
    failed: previous?.failed ?? (verdict === 'fail' ? (reasons[0] ?? '') : null),
    lower: Number.isFinite(lower) ? lower : null,
    upper: Number.isFinite(upper) ? upper : null,
  };
};

/**
 * Judges one guardrail at one look, in three regions of harm (reference 2.1, 4.3; harm is the candidate's rate or mean
 * over the champion's, the other way round for metrics where higher is better):
 * - `fail`: the lower end is above `worseThan`, the upper end is not below `safeBelow`, the own rate is not `small`;
 * - `pass`: the upper end is below `safeBelow`, or the own rate is `small` (proven below `ignoreBelow`);
 *   steps that contradict each other (lower above upper) with proven harm fail: the safe end then comes from another step;
 * - `inconclusive`: neither yet; `noData`: the current step has no data of an arm, or an arm of a step is missing;
 *   `error`: an arm could not be read, or fewer units than at the look before. Missing data never pass.
 *
 * `fail` latches through `previous` (the `state` of the look before); `pass` does not, so a candidate that turns bad
 * later is still caught. Steps are combined by the product of their evidence (counts) or by inverse variance (means),
 * never pooled; only the candidate's own rate may be pooled.
 *
 * What carries alpha: each of three one-sided sequences, valid at any stop, has error probability at most `alpha` over
 * all looks together: "lower end above the true harm", "upper end below it", "own rate called small though it is not".
 * So P(ever fail | harm <= worseThan) <= alpha, P(ever upper end < safeBelow | harm >= safeBelow) <= alpha and
 * P(ever small | rate >= ignoreBelow) <= alpha. The running ends in `state` are nested and serve reports; the verdict
 * uses the ends of this look, so that a pass can be taken back.
 *
 * Counts must be of independent units; where events come in bursts, count the bursts' unit or give `overdispersion`.
 * Throws `AnalysisInputError` for malformed counts, limits, alpha or state: too little data is a verdict, bad data is not.
 *
 * @example
 * judgeMetric({
 *   spec: { name: 'errors', worseThan: 1, safeBelow: 2, ignoreBelow: 0.01 },
 *   steps: [{ weight: 5, candidate: { events: 61, trials: 1196 }, champion: { events: 92, trials: 22731 } }],
 *   alpha: 0.05,
 * }).verdict; // 'fail'
 */
export const judgeMetric = (input: JudgeMetricInput): MetricJudgement => {
  const spec = resolveMetric(input);
  const { steps, alpha, previous } = input;
  const n = totalUnits(steps);
  const harm = spec.kind === 'rate' ? rateHarm(steps, alpha, spec) : meanHarm(steps, alpha, spec);
  const found = decide(input, spec, harm, n);
  const latched = previous?.failed ?? null;
  const verdict = latched === null ? found.verdict : 'fail';
  const named = (reason: string): string => `${spec.name}: ${reason}`;
  const reasons =
    latched === null
      ? found.reasons.map(named)
      : [
          named(`failed at an earlier look and stays failed: ${latched}`),
          ...found.reasons.map((r) => named(`now ${r}`)),
        ];
  return {
    verdict,
    estimate: harm.estimate,
    lower: harm.lower,
    upper: harm.upper,
    worseThan: spec.worseThan,
    safeBelow: spec.safeBelow,
    ignoreBelow: spec.ignoreBelow,
    small: harm.small,
    n,
    alpha,
    reasons,
    state: nextState(found.verdict, found.reasons, harm, n, previous),
  };
};
