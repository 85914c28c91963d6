import { requireRange } from '../drift/checks.js';
import { requireCount, requireFinite, requireObject, requireOneOf } from '../input.js';
import type { DriftDetector } from './signal.js';

/** Options of {@link pageHinkley}; names and defaults of river. */
export interface PageHinkleyOptions {
  /** Values before the first alarm. Default 30. */
  readonly minInstances?: number;
  /** Change per value that is tolerated. Default .005. */
  readonly delta?: number;
  /** Alarm line lambda of the cumulated change. Default 50. */
  readonly threshold?: number;
  /** Share of the sum that is kept at each value, in (0, 1]. Default .9999. */
  readonly alpha?: number;
  /** Rise, fall, or either. Default 'both'. */
  readonly mode?: 'up' | 'down' | 'both';
}

/**
 * Page-Hinkley test of river 0.26: S+ = alpha S+ + (x - mean) - delta, S- = alpha S- + (x - mean) + delta; alarm when
 * S+ - min S+ or max S- - S- is above the threshold. The mean is that of all values so far. After an alarm the next
 * value starts afresh. As in river, the largest S- starts at -1.
 *
 * @throws AnalysisInputError for options out of range, and for a value that is not finite.
 *
 * @example
 * const detector = pageHinkley({ threshold: 20 });
 * const { drift } = detector.update(0.3);
 */
export function pageHinkley(options: PageHinkleyOptions = {}): DriftDetector {
  requireObject('options', options);
  const { minInstances = 30, delta = 0.005, threshold = 50, alpha = 1 - 0.0001, mode = 'both' } = options;
  requireCount('minInstances', minInstances, 1);
  requireRange('delta', delta, { min: 0, max: Number.MAX_VALUE });
  requireRange('threshold', threshold, { min: 0, max: Number.MAX_VALUE });
  requireRange('alpha', alpha, { min: 0, max: 1, open: 'min' });
  requireOneOf('mode', mode, ['up', 'down', 'both']);
  const start = () => ({ n: 0, mean: 0, rise: 0, fall: 0, lowest: Infinity, highest: -1, drift: false });
  let s = start();

  return {
    update(x) {
      requireFinite('x', x);
      if (s.drift) s = start();
      s.n++;
      s.mean += (x - s.mean) / s.n;
      const deviation = x - s.mean;
      s.rise = alpha * s.rise + deviation - delta;
      s.fall = alpha * s.fall + deviation + delta;
      s.lowest = Math.min(s.lowest, s.rise);
      s.highest = Math.max(s.highest, s.fall);
      const up = mode !== 'down' && s.rise - s.lowest > threshold;
      const down = mode !== 'up' && s.highest - s.fall > threshold;
      s.drift = s.n >= minInstances && (up || down);
      return { drift: s.drift };
    },
  };
}
