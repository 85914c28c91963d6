import { isArmError, isCounts, isMoments, unitsOf } from './judge-metric-input.js';
import type { Harm, MetricArm, MetricStep, ResolvedSpec } from './judge-metric-types.js';

/** A whole number with thin groups: 22731 becomes `22 731`. */
export const formatCount = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ' ');

/** About three significant digits without an exponent where a person reads one; `inf` for infinity. */
export const formatNumber = (value: number): string => {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(1);
  if (size >= 1_000) return (value < 0 ? '-' : '') + formatCount(Math.round(size));
  return String(Number(value.toPrecision(3)));
};

/** A rate as a percentage: .0051 becomes `0.51 %`. */
export const formatPercent = (rate: number): string => `${formatNumber(rate * 100)} %`;

/** One or many units: `1 request`, `2 requests`. */
export const formatUnits = (count: number, unit: string): string =>
  `${formatCount(count)} ${unit}${count === 1 ? '' : 's'}`;

const limit = (value: number, spec: ResolvedSpec): string =>
  spec.scale === 'ratio' ? `${formatNumber(value)}x` : withUnit(value, spec);

const withUnit = (value: number, { valueUnit }: ResolvedSpec): string =>
  valueUnit === '' ? formatNumber(value) : `${formatNumber(value)} ${valueUnit}`;

const armText = (arm: MetricArm, spec: ResolvedSpec): string => {
  if (isCounts(arm) && arm.trials > 0) {
    return `${formatPercent(arm.events / arm.trials)} (${formatCount(arm.events)}/${formatUnits(arm.trials, spec.unit)})`;
  }
  if (isMoments(arm) && arm.n > 0) return `${withUnit(arm.sum / arm.n, spec)} (${formatUnits(arm.n, spec.unit)})`;
  return 'no data';
};

const place = (steps: readonly MetricStep[], index: number): string =>
  `step ${index + 1} (${formatNumber((steps[index] as MetricStep).weight)} %)`;

/** What was measured: both arms of the current step, and the harm over all steps with its interval. */
export const measuredText = (steps: readonly MetricStep[], harm: Harm, spec: ResolvedSpec): string => {
  const current = steps.at(-1) as MetricStep;
  const arms = `candidate ${armText(current.candidate, spec)} against champion ${armText(current.champion, spec)}`;
  const where = steps.length > 1 ? ` in ${place(steps, steps.length - 1)}` : '';
  if (harm.estimate === null) return `${arms}${where}`;
  const unit = spec.scale === 'difference' && spec.valueUnit !== '' ? ` ${spec.valueUnit}` : '';
  const inverted = spec.direction === 'higherIsBetter' ? ', champion over candidate' : '';
  const difference = spec.direction === 'higherIsBetter' ? 'champion minus candidate' : 'difference';
  const name = spec.scale === 'ratio' ? `ratio${inverted}` : difference;
  const ends = `[${formatNumber(harm.lower)}, ${formatNumber(harm.upper)}${Number.isFinite(harm.upper) ? ']' : ')'}`;
  const over = steps.length > 1 ? ` over ${steps.length} steps` : '';
  return `${arms}${where}, ${name} ${formatNumber(harm.estimate)} ${ends}${unit}${over}`;
};

/** The limits that the interval has passed, or not. */
export const limitText = (
  kind: 'fail' | 'pass' | 'open' | 'both' | 'small' | 'ignored',
  harm: Harm,
  alpha: number,
  spec: ResolvedSpec
): string => {
  const worse = `worseThan ${limit(spec.worseThan, spec)}`;
  const safe = `safeBelow ${limit(spec.safeBelow, spec)}`;
  const own = `the candidate's own rate is proven below ignoreBelow ${formatPercent(spec.ignoreBelow ?? 0)}`;
  const at = `at alpha ${formatNumber(alpha)}`;
  const texts = {
    fail: `proven above ${worse} ${at}`,
    pass: `proven below ${safe} ${at}`,
    both: `proven above ${worse} but also below ${safe} ${at}: a little worse, within what was allowed`,
    open: `neither proven above ${worse} nor below ${safe} ${at}`,
    small: `${own} ${at}`,
    ignored: `proven above ${worse}, but it does not matter: ${own} ${at}`,
  };
  return texts[kind];
};

/** Every arm that is missing, empty or unreadable, as sentences; empty when nothing is. */
export const missingTexts = (
  steps: readonly MetricStep[],
  spec: ResolvedSpec
): { readonly errors: readonly string[]; readonly missing: readonly string[] } => {
  const errors: string[] = [];
  const missing: string[] = [];
  for (const [i, step] of steps.entries()) {
    for (const side of ['candidate', 'champion'] as const) {
      const arm = step[side] ?? null;
      if (isArmError(arm)) errors.push(`the ${side}'s data of ${place(steps, i)} could not be read: ${arm.error}`);
      else if (arm === null) missing.push(`no data of the ${side} for ${place(steps, i)}`);
      else if (i === steps.length - 1 && unitsOf(arm) === 0) {
        missing.push(`the ${side} has no ${spec.unit}s yet in ${place(steps, i)}`);
      }
    }
  }
  if (steps.length === 0) missing.push('no step has started');
  return { errors, missing };
};
