/**
 * Thrown for input that no statistic can be computed from: empty where data is required, NaN, a negative count,
 * more events than trials, a share outside (0, 1), arrays whose lengths differ.
 * Too little data is never an error: it is a verdict.
 */
export class AnalysisInputError extends Error {
  override readonly name = 'AnalysisInputError';
  /** The option that is wrong, as a path such as `candidate.events`. */
  readonly field: string;
  /** What is wrong with it, as half a sentence such as `must be a whole number >= 0, got -1`. */
  readonly reason: string;

  constructor(field: string, reason: string) {
    super(`${field}: ${reason}`);
    this.field = field;
    this.reason = reason;
  }
}
