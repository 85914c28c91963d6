import { requireRange } from '../drift/checks.js';
import { requireCount, requireObject } from '../input.js';
import { requireError } from './ddm.js';
import type { DriftDetector } from './signal.js';

/** Options of {@link eddm}; names and defaults of river. */
export interface EddmOptions {
  /** Values, and errors, before the first signal. Default 30. */
  readonly warmStart?: number;
  /** Warning below this share of the largest distance. Default .95. */
  readonly alpha?: number;
  /** Drift below this share of the largest distance; at most alpha. Default .9. */
  readonly beta?: number;
}

/**
 * Early drift detection method: watches the distance between errors, mean m and standard deviation s (n - 1). Drift
 * when (m + 2 s) falls below beta times its largest value, warning below alpha. Takes 1 for an error, 0 for a right
 * answer. Source: Baena-García et al. 2006; behaviour of river 0.26: signals change at errors only.
 *
 * @throws AnalysisInputError for options out of range, and for a value other than 0 and 1.
 *
 * @example
 * const detector = eddm();
 * const { drift, warning } = detector.update(1);
 */
export function eddm(options: EddmOptions = {}): DriftDetector {
  requireObject('options', options);
  const { warmStart = 30, alpha = 0.95, beta = 0.9 } = options;
  requireCount('warmStart', warmStart);
  requireRange('alpha', alpha, { min: 0, max: 1 });
  requireRange('beta', beta, { min: 0, max: alpha });
  const start = () => ({
    n: 0,
    errors: 0,
    lastError: 0,
    mean: 0,
    squares: 0,
    largest: -1,
    drift: false,
    warning: false,
  });
  let state = start();

  return {
    update(x) {
      requireError(x);
      if (state.drift) state = start();
      state.n++;
      if (x === 1) {
        state.errors++;
        const distance = state.n - state.lastError;
        state.lastError = state.n;
        const before = state.mean;
        state.mean += (distance - before) / state.errors;
        state.squares += (distance - before) * (distance - state.mean);
        if (state.n > warmStart) judge(state);
      }
      return { drift: state.drift, warning: state.warning };
    },
  };

  function judge(s: ReturnType<typeof start>): void {
    const deviation = s.errors > 1 ? Math.sqrt(s.squares / (s.errors - 1)) : 0;
    const level = s.mean + 2 * deviation;
    if (level > s.largest) {
      s.largest = level;
    } else if (s.errors > warmStart) {
      s.drift = level / s.largest < beta;
      if (!s.drift) s.warning = level / s.largest < alpha;
    }
  }
}
