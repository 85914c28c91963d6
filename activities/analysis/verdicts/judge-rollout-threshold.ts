import { AnalysisInputError } from '../errors.js';
import { reject, requireCount, requireNumber, requireObject } from '../input.js';
import type { Verdict } from './judge-metric-types.js';
import { formatNumber } from './judge-metric-reasons.js';

/** A fixed bound on one value. */
export interface ThresholdSpec {
  readonly name?: string;
  /** Inclusive bounds; at least one. */
  readonly min?: number;
  readonly max?: number;
  /** Fails when the failures exceed it: 0 (default) fails at the first. */
  readonly failureLimit?: number;
  /** Unit in the reasons, such as `ms`. */
  readonly valueUnit?: string;
}

/** What the next look needs to know; JSON-safe. */
export interface ThresholdState {
  readonly v: 1;
  readonly failures: number;
  readonly failed: string | null;
}

/** Input of {@link judgeThreshold}. */
export interface JudgeThresholdInput {
  readonly spec: ThresholdSpec;
  /** The value, null (or NaN) where nothing was measured, the provider's error; infinities are values. */
  readonly value: number | null | { readonly error: string };
  readonly previous?: ThresholdState;
}

/** A judgement of one fixed bound at one look. */
export interface ThresholdJudgement {
  readonly verdict: Verdict;
  readonly failures: number;
  readonly reasons: readonly string[];
  readonly state: ThresholdState;
}

/**
 * Judges a fixed bound at one look: `fail` when the number of looks outside it exceeds `failureLimit` (limit L fails at
 * failure L + 1 exactly) and for ever after; before that `inconclusive`. Missing values and errors count neither as
 * failures nor as successes. Hard bounds exist because statistics are slow for a crash loop; they carry no alpha.
 * Throws `AnalysisInputError` for a spec without a bound, min above max, a limit that is not a whole number.
 */
export const judgeThreshold = (input: JudgeThresholdInput): ThresholdJudgement => {
  requireObject('input', input);
  const { spec, value, previous } = input;
  requireObject('spec', spec);
  const { name = 'bound', min = -Infinity, max = Infinity, failureLimit = 0, valueUnit } = spec;
  for (const field of ['name', 'valueUnit'] as const) {
    if (spec[field] !== undefined && typeof spec[field] !== 'string') reject(`spec.${field}`, 'a text', spec[field]);
  }
  requireNumber('spec.min', min);
  requireNumber('spec.max', max);
  requireCount('spec.failureLimit', failureLimit);
  if (spec.min === undefined && spec.max === undefined) throw new AnalysisInputError('spec', 'must have min or max');
  if (min > max) throw new AnalysisInputError('spec.min', `must be at most max (${max}), got ${min}`);
  if (previous !== undefined) {
    requireObject('previous', previous);
    requireCount('previous.failures', previous.failures);
    if (previous.failed !== null && typeof previous.failed !== 'string') {
      reject('previous.failed', 'null or a reason', previous.failed);
    }
  }
  const before = previous?.failures ?? 0;
  const latched = previous?.failed ?? null;
  const unit = valueUnit === undefined ? '' : ` ${valueUnit}`;
  const bounds = [
    spec.min === undefined ? '' : `at least ${formatNumber(min)}${unit}`,
    spec.max === undefined ? '' : `at most ${formatNumber(max)}${unit}`,
  ];
  const wanted = bounds.filter((text) => text !== '').join(' and ');
  const answer = (verdict: Verdict, failures: number, text: string): ThresholdJudgement => {
    const reason = `${name}: ${text}`;
    const failed = latched ?? (verdict === 'fail' ? text : null);
    const reasons = latched === null ? [reason] : [`${name}: failed at an earlier look and stays failed: ${latched}`];
    return { verdict: latched === null ? verdict : 'fail', failures, reasons, state: { v: 1, failures, failed } };
  };
  if (value === null || Number.isNaN(value)) return answer('noData', before, 'nothing was measured');
  if (typeof value === 'object') return answer('error', before, `could not be read: ${value.error}`);
  requireNumber('value', value);
  const shown = `${formatNumber(value)}${unit}, must be ${wanted}`;
  if (value >= min && value <= max) return answer('pass', before, shown);
  const failures = before + 1;
  const count = `failure ${failures}, more than ${failureLimit} roll back`;
  return answer(failures > failureLimit ? 'fail' : 'inconclusive', failures, `${shown}: ${count}`);
};
