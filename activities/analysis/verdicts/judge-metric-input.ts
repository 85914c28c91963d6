import { AnalysisInputError } from '../errors.js';
import {
  reject,
  requireArray,
  requireCount,
  requireCounts,
  requireFinite,
  requireNonNegative,
  requireObject,
  requireOneOf,
  requireParameter,
  requirePositive,
  requireShare,
} from '../input.js';
import { DEFAULT_PRIOR_STRENGTH } from '../sequential/index.js';
import type {
  ArmError,
  ArmMoments,
  JudgeMetricInput,
  MetricArm,
  MetricStep,
  ResolvedSpec,
} from './judge-metric-types.js';
import type { Counts } from '../input.js';

/** The least units per arm at which the normal approximation of a mean is trusted (reference 2.2 A). */
export const MEAN_BURN_IN = 100;
const DEFAULT_TUNING = 5_000;

/** A step without the property is a step with nothing in it. */
const holds = (arm: MetricArm | undefined, key: string): boolean => (arm ?? null) !== null && key in (arm as object);

/** Whether an arm holds event counts. */
export const isCounts = (arm: MetricArm): arm is Counts => holds(arm, 'trials');
/** Whether an arm holds moments. */
export const isMoments = (arm: MetricArm): arm is ArmMoments => holds(arm, 'sumSquares');
/** Whether an arm could not be read. */
export const isArmError = (arm: MetricArm): arm is ArmError => holds(arm, 'error');

/** Trials or values of an arm; 0 where there is none. */
export const unitsOf = (arm: MetricArm): number => {
  if (isCounts(arm)) return arm.trials;
  return isMoments(arm) ? arm.n : 0;
};

/** Rounding of a sum of squares, relative: below it a spread is none. */
export const SQUARES_ROUNDING = 1e-12;

const requireMoments = (field: string, arm: ArmMoments): void => {
  requireCount(`${field}.n`, arm.n);
  requireFinite(`${field}.sum`, arm.sum);
  requireNonNegative(`${field}.sumSquares`, arm.sumSquares);
  if (arm.n === 0 && (arm.sum !== 0 || arm.sumSquares !== 0))
    reject(`${field}.n`, 'above 0 for a sum that is not 0', 0);
  if (arm.n > 0 && arm.sumSquares * (1 + SQUARES_ROUNDING) < (arm.sum / arm.n) * arm.sum) {
    reject(`${field}.sumSquares`, `at least sum^2 / n (${(arm.sum / arm.n) * arm.sum})`, arm.sumSquares);
  }
};

const requireArm = (field: string, arm: MetricArm): 'rate' | 'mean' | null => {
  if (arm === null) return null;
  requireObject(field, arm);
  if (isArmError(arm)) {
    if (typeof arm.error !== 'string') reject(`${field}.error`, 'a message', arm.error);
    return null;
  }
  if (isCounts(arm)) {
    requireCounts(field, arm);
    return 'rate';
  }
  if (isMoments(arm)) {
    requireMoments(field, arm);
    return 'mean';
  }
  throw new AnalysisInputError(field, 'must be { events, trials }, { n, sum, sumSquares }, { error } or null');
};

const requireSteps = (steps: readonly MetricStep[]): 'rate' | 'mean' | null => {
  requireArray('steps', steps);
  let kind: 'rate' | 'mean' | null = null;
  for (const [i, step] of steps.entries()) {
    const field = `steps[${i}]`;
    requireObject(field, step);
    requireFinite(`${field}.weight`, step.weight);
    if (step.weight < 0 || step.weight > 100) reject(`${field}.weight`, 'a percentage from 0 to 100', step.weight);
    for (const arm of ['candidate', 'champion'] as const) {
      const found = requireArm(`${field}.${arm}`, step[arm] ?? null);
      if (found === null) continue;
      if (kind !== null && found !== kind) {
        throw new AnalysisInputError(
          `${field}.${arm}`,
          'must be of the same form as the other arms (counts or moments)'
        );
      }
      kind = found;
    }
  }
  return kind;
};

/** Fills in the defaults and checks everything; throws `AnalysisInputError`. */
export const resolveMetric = (input: JudgeMetricInput): ResolvedSpec => {
  requireObject('input', input);
  const { spec, steps, alpha, previous } = input;
  requireObject('spec', spec);
  requireShare('alpha', alpha);
  const found = requireSteps(steps);
  const kind = found ?? (spec.scale === 'difference' || spec.tuning !== undefined ? 'mean' : 'rate');
  const direction = spec.direction ?? 'lowerIsBetter';
  const scale = spec.scale ?? 'ratio';
  requireOneOf('spec.direction', direction, ['lowerIsBetter', 'higherIsBetter']);
  requireOneOf('spec.scale', scale, ['ratio', 'difference']);
  if (kind === 'rate' && scale === 'difference') reject('spec.scale', `'ratio' for event counts`, scale);
  if (kind === 'mean' && alpha >= 0.5) reject('alpha', 'below 0.5 for a mean', alpha);
  if (kind === 'mean' && found !== null && spec.safeBelow === undefined) {
    throw new AnalysisInputError(
      'spec.safeBelow',
      'must be given for a mean: how much worse may it be and still advance'
    );
  }
  const worseThan = spec.worseThan ?? (scale === 'ratio' ? 1 : 0);
  const safeBelow = spec.safeBelow ?? 2;
  const check = scale === 'ratio' ? requireParameter : requireFinite;
  check('spec.worseThan', worseThan);
  check('spec.safeBelow', safeBelow);
  if (safeBelow < worseThan) reject('spec.safeBelow', `at least worseThan (${worseThan})`, safeBelow);

  const takesIgnore = kind === 'rate' && direction === 'lowerIsBetter';
  const ignoreBelow = spec.ignoreBelow === undefined ? (takesIgnore ? 0.01 : null) : spec.ignoreBelow;
  if (ignoreBelow !== null) {
    if (!takesIgnore) reject('spec.ignoreBelow', 'left out: it is for event rates where lower is better', ignoreBelow);
    requireShare('spec.ignoreBelow', ignoreBelow);
  }
  const priorStrength = spec.priorStrength ?? DEFAULT_PRIOR_STRENGTH;
  requireParameter('spec.priorStrength', priorStrength);
  const overdispersion = spec.overdispersion ?? 1;
  requireFinite('spec.overdispersion', overdispersion);
  if (overdispersion < 1) reject('spec.overdispersion', 'at least 1', overdispersion);
  const tuning = spec.tuning ?? DEFAULT_TUNING;
  requirePositive('spec.tuning', tuning);
  requireCount('spec.minUnits', spec.minUnits ?? 1);
  const minUnits = Math.max(spec.minUnits ?? 1, kind === 'mean' ? MEAN_BURN_IN : 1);
  for (const field of ['name', 'unit', 'valueUnit'] as const) {
    if (spec[field] !== undefined && typeof spec[field] !== 'string') reject(`spec.${field}`, 'a text', spec[field]);
  }
  if (previous !== undefined) requireState(previous);
  return {
    kind,
    name: spec.name ?? 'metric',
    unit: spec.unit ?? 'request',
    valueUnit: spec.valueUnit ?? '',
    direction,
    scale,
    worseThan,
    safeBelow,
    ignoreBelow,
    priorStrength,
    overdispersion,
    tuning,
    minUnits,
  };
};

const requireState = (state: NonNullable<JudgeMetricInput['previous']>): void => {
  requireObject('previous', state);
  if (state.v !== 1) reject('previous.v', '1', state.v);
  requireCount('previous.n', state.n);
  if (state.failed !== null && typeof state.failed !== 'string')
    reject('previous.failed', 'null or a reason', state.failed);
  if (state.lower !== null) requireFinite('previous.lower', state.lower);
  if (state.upper !== null) requireFinite('previous.upper', state.upper);
};
