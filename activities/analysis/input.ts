import { AnalysisInputError } from './errors.js';

/** A column of numbers: a plain array or a typed one. */
export type Sample = readonly number[] | Float64Array;

/** Events among trials of one arm, such as errors among requests: whole numbers, `events <= trials`. */
export interface Counts {
  readonly events: number;
  readonly trials: number;
}

/** The side of a test about candidate minus champion, or x minus y. */
export type Alternative = 'two-sided' | 'greater' | 'less';

/** The values that `alternative` may take. */
export const ALTERNATIVES: readonly Alternative[] = ['two-sided', 'greater', 'less'];

const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) {
    return String(value);
  }
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
};

/** Throws {@link AnalysisInputError} for `field`: "must be <expected>, got <value>". */
export const reject = (field: string, expected: string, value: unknown): never => {
  throw new AnalysisInputError(field, `must be ${expected}, got ${show(value)}`);
};

/** Requires an options object, so that a forgotten argument is named instead of a `TypeError`. */
export const requireObject = (field: string, value: unknown): void => {
  if (typeof value !== 'object' || value === null) reject(field, 'an object', value);
};

/** Requires a finite number. */
export const requireFinite = (field: string, value: number): void => {
  if (typeof value !== 'number' || !Number.isFinite(value)) reject(field, 'a finite number', value);
};

/** Requires a number that is not NaN; infinities are values. */
export const requireNumber = (field: string, value: number): void => {
  if (typeof value !== 'number' || Number.isNaN(value)) reject(field, 'a number', value);
};

/** Requires a finite number above 0. */
export const requirePositive = (field: string, value: number): void => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) reject(field, 'a finite number > 0', value);
};

/** Requires a parameter of a distribution or a prior: within [1e-100, 1e100], outside of which products leave the doubles. */
export const requireParameter = (field: string, value: number): void => {
  requirePositive(field, value);
  if (value < 1e-100 || value > 1e100) reject(field, 'within [1e-100, 1e100]', value);
};

/** Requires a finite number of at least 0. */
export const requireNonNegative = (field: string, value: number): void => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) reject(field, 'a finite number >= 0', value);
};

/** Requires a number inside (0, 1): `alpha`, `confidence`, a share. */
export const requireShare = (field: string, value: number): void => {
  if (typeof value !== 'number' || !(value > 0 && value < 1)) reject(field, 'a number inside (0, 1)', value);
};

/** Requires a number in [0, 1]. */
export const requireProbability = (field: string, value: number): void => {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) reject(field, 'a number in [0, 1]', value);
};

/** Requires a whole number of at least `minimum` (default 0) that a double holds exactly. */
export const requireCount = (field: string, value: number, minimum = 0): void => {
  if (!Number.isSafeInteger(value) || value < minimum) reject(field, `a whole number >= ${minimum}`, value);
};

/** Requires one of the allowed words. */
export const requireOneOf = <T extends string>(field: string, value: T, allowed: readonly T[]): void => {
  if (!allowed.includes(value)) reject(field, `one of ${allowed.join(', ')}`, value);
};

/** Requires an array or `Float64Array` with at least `minimum` entries, without looking at them. */
export const requireArray = (field: string, value: ArrayLike<unknown>, minimum = 0): void => {
  if (!Array.isArray(value) && (!ArrayBuffer.isView(value) || value instanceof DataView))
    reject(field, 'an array', value);
  if (value.length < minimum) {
    throw new AnalysisInputError(
      field,
      value.length === 0 ? 'must not be empty' : `must have at least ${minimum} entries, got ${value.length}`
    );
  }
};

/** Requires a sample of finite numbers with at least `minimum` entries (default 1). */
export const requireSample = (field: string, sample: Sample, minimum = 1): void => {
  requireArray(field, sample, minimum);
  for (let i = 0; i < sample.length; i += 1) {
    const value = sample[i];
    if (typeof value !== 'number' || !Number.isFinite(value)) reject(`${field}[${i}]`, 'a finite number', value);
  }
};

/** Requires a sample of zeros and ones. */
export const requireLabels = (field: string, sample: Sample, minimum = 1): void => {
  requireArray(field, sample, minimum);
  for (let i = 0; i < sample.length; i += 1) {
    if (sample[i] !== 0 && sample[i] !== 1) reject(`${field}[${i}]`, '0 or 1', sample[i]);
  }
};

/** Requires a sample of probabilities in [0, 1]. */
export const requireProbabilities = (field: string, sample: Sample, minimum = 1): void => {
  requireArray(field, sample, minimum);
  for (let i = 0; i < sample.length; i += 1) {
    const value = sample[i];
    if (typeof value !== 'number' || !(value >= 0 && value <= 1)) reject(`${field}[${i}]`, 'a number in [0, 1]', value);
  }
};

/** Requires two columns of the same length. */
export const requireSameLength = (
  field: string,
  value: ArrayLike<unknown>,
  otherField: string,
  other: ArrayLike<unknown>
): void => {
  if (value.length !== other.length) {
    throw new AnalysisInputError(field, `must be as long as ${otherField} (${other.length}), got ${value.length}`);
  }
};

/** Requires an arm of counts: whole numbers, `events <= trials`, `trials >= minimumTrials` (default 0). */
export const requireCounts = (field: string, arm: Counts, minimumTrials = 0): void => {
  requireObject(field, arm);
  requireCount(`${field}.events`, arm.events);
  requireCount(`${field}.trials`, arm.trials, minimumTrials);
  if (arm.events > arm.trials) reject(`${field}.events`, `at most trials (${arm.trials})`, arm.events);
};
