import { requireRange } from '../drift/checks.js';
import { reject, requireCount, requireObject } from '../input.js';
import type { DriftDetector } from './signal.js';

/** Options of {@link ddm}; names and defaults of river. */
export interface DdmOptions {
  /** Values before the first signal. Default 30. */
  readonly warmStart?: number;
  /** Standard deviations above the minimum that warn. Default 2. */
  readonly warningThreshold?: number;
  /** Standard deviations above the minimum that are a drift. Default 3. */
  readonly driftThreshold?: number;
}

/**
 * Drift detection method: p = error rate so far, s = sqrt(p (1 - p) / n), their smallest sum is remembered; drift when
 * p + s > p_min + 3 s_min, warning at 2. Takes 1 for an error, 0 for a right answer.
 * Source: Gama et al., SBIA 2004; behaviour of river 0.26.
 *
 * @throws AnalysisInputError for options out of range, and for a value other than 0 and 1.
 *
 * @example
 * const detector = ddm();
 * const { drift, warning } = detector.update(1);
 */
export function ddm(options: DdmOptions = {}): DriftDetector {
  requireObject('options', options);
  const { warmStart = 30, warningThreshold = 2, driftThreshold = 3 } = options;
  requireCount('warmStart', warmStart);
  requireRange('warningThreshold', warningThreshold, { min: 0, max: Number.MAX_VALUE });
  requireRange('driftThreshold', driftThreshold, { min: 0, max: Number.MAX_VALUE });
  const start = () => ({ n: 0, p: 0, pMin: 0, sMin: 0, lowest: Infinity, drift: false, warning: false });
  let state = start();

  return {
    update(x) {
      requireError(x);
      if (state.drift) state = start();
      state.n++;
      state.p += (x - state.p) / state.n;
      const s = Math.sqrt((state.p * (1 - state.p)) / state.n);
      if (state.n > warmStart) {
        if (state.p + s <= state.lowest) {
          state.pMin = state.p;
          state.sMin = s;
          state.lowest = state.p + s;
        }
        state.drift = state.p + s > state.pMin + driftThreshold * state.sMin;
        state.warning = !state.drift && state.p + s > state.pMin + warningThreshold * state.sMin;
      }
      return { drift: state.drift, warning: state.warning };
    },
  };
}

/** Throws unless x is 0 or 1. */
export function requireError(x: number): void {
  if (x !== 0 && x !== 1) reject('x', '0 (right) or 1 (error)', x);
}
