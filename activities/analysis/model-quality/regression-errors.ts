import { requireObject, requireSameLength, requireSample, type Sample } from '../input.js';

/** Input of {@link regressionErrors}. */
export interface RegressionInput {
  /** True values, finite, at least one. */
  readonly actual: Sample;
  /** Predicted values, same order and unit. */
  readonly predicted: Sample;
}

/** Output of {@link regressionErrors}, in the unit of the values (r2 has none). */
export interface RegressionErrors {
  /** Mean absolute error. */
  readonly mae: number;
  /** Root of the mean squared error. */
  readonly rmse: number;
  /** 1 - sum of squared errors / sum of squares about the mean of `actual`; null when `actual` is constant. */
  readonly r2: number | null;
  /** Mean of predicted - actual: above 0 the model says too much. */
  readonly bias: number;
}

/**
 * Errors of a numeric prediction.
 *
 * @throws AnalysisInputError for no rows, unequal lengths, values that are not finite.
 *
 * @example
 * regressionErrors({ actual: [3, -0.5, 2, 7], predicted: [2.5, 0, 2, 8] }); // mae .5, rmse .6124, r2 .9486, bias .25
 */
export function regressionErrors(input: RegressionInput): RegressionErrors {
  requireObject('input', input);
  const { actual, predicted } = input;
  requireSample('actual', actual);
  requireSample('predicted', predicted);
  requireSameLength('predicted', predicted, 'actual', actual);
  const n = actual.length;
  const errors = Float64Array.from(actual, (value, i) => predicted[i]! - value);
  const mean = Float64Array.from(actual).reduce((sum, value) => sum + value / n, 0);
  const deviations = Float64Array.from(actual, (value) => value - mean);
  const rmse = rootMeanSquare(errors);
  const spread = actual.every((value: number) => value === actual[0]) ? 0 : rootMeanSquare(deviations);
  return {
    mae: errors.reduce((sum, error) => sum + Math.abs(error) / n, 0),
    rmse,
    r2: spread === 0 ? null : 1 - (rmse / spread) ** 2,
    bias: errors.reduce((sum, error) => sum + error / n, 0),
  };
}

/** Scaled by the largest value first, so that squares of 1e200 do not overflow and of 1e-200 do not vanish. */
function rootMeanSquare(values: Float64Array): number {
  const top = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (top === 0) return 0;
  const meanSquare = values.reduce((sum, value) => sum + (value / top) ** 2, 0) / values.length;
  return top * Math.sqrt(meanSquare);
}
