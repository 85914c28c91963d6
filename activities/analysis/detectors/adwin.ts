import { requireRange } from '../drift/checks.js';
import { requireCount, requireFinite, requireObject } from '../input.js';
import type { DriftSignal } from './signal.js';

/** Options of {@link adwin}; names and defaults of river. */
export interface AdwinOptions {
  /** Significance of a cut, in (0, 1). Default .002. */
  readonly delta?: number;
  /** Looks for a cut at every so many values. Default 32. */
  readonly clock?: number;
  /** Buckets of each size before two are merged. Default 5. */
  readonly maxBuckets?: number;
  /** Fewest values on each side of a cut. Default 5. */
  readonly minWindowLength?: number;
  /** Values before the first look. Default 10. */
  readonly gracePeriod?: number;
}

/** A window that shrinks when its mean changes; made by {@link adwin}. */
export interface Adwin {
  /** Takes one value. */
  update(x: number): DriftSignal;
  /** Values in the window now. */
  readonly width: number;
}

/** Buckets of 2^level values each, oldest first. */
interface Level {
  readonly totals: number[];
  readonly variances: number[];
}

interface Window {
  levels: Level[];
  width: number;
  total: number;
  /** Sum of squared deviations from the mean of the window. */
  variance: number;
  ticks: number;
}

const emptyLevel = (): Level => ({ totals: [], variances: [] });
const emptyWindow = (): Window => ({ levels: [emptyLevel()], width: 0, total: 0, variance: 0, ticks: 0 });

/**
 * Adaptive windowing: keeps the newest values for which no cut into two parts shows different means. A cut is a change
 * when |mean0 - mean1| > sqrt(2 s2 d / h) + 2 d / (3 h), d = ln(2 ln(width) / delta), s2 the variance of the window,
 * 1/h = 1/(n0 - l + 1) + 1/(n1 - l + 1), l = minWindowLength. Memory grows with the logarithm of the width.
 * After a change the next value starts a new window, as in river.
 *
 * Source: Bifet & Gavaldà, SIAM Data Mining 2007; cuts and window as river 0.26, which tries every bucket (earlier
 * versions left out the newest bucket of each size).
 *
 * @throws AnalysisInputError for options out of range, and for a value that is not finite.
 *
 * @example
 * const detector = adwin();
 * const { drift } = detector.update(0.3);
 */
export function adwin(options: AdwinOptions = {}): Adwin {
  requireObject('options', options);
  const { delta = 0.002, clock = 32, maxBuckets = 5, minWindowLength = 5, gracePeriod = 10 } = options;
  requireRange('delta', delta, { min: 0, max: 1, open: 'both' });
  requireCount('clock', clock, 1);
  requireCount('maxBuckets', maxBuckets, 2);
  requireCount('minWindowLength', minWindowLength, 1);
  requireCount('gracePeriod', gracePeriod);
  let window = emptyWindow();
  let drift = false;

  return {
    update(x) {
      requireFinite('x', x);
      if (drift) window = emptyWindow();
      insert(window, x, maxBuckets);
      window.ticks++;
      drift = false;
      if (window.ticks % clock === 0 && window.width > gracePeriod) {
        while (window.width > 0 && hasCut(window, delta, minWindowLength)) {
          drift = true;
          dropOldest(window);
        }
      }
      return { drift };
    },
    get width() {
      return window.width;
    },
  };
}

function insert(window: Window, x: number, maxBuckets: number): void {
  const { width, total } = window;
  if (width > 0) window.variance += (width * (x - total / width) ** 2) / (width + 1);
  window.width++;
  window.total += x;
  window.levels[0]!.totals.push(x);
  window.levels[0]!.variances.push(0);
  for (let k = 0; window.levels[k]!.totals.length > maxBuckets; k++) {
    if (k + 1 === window.levels.length) window.levels.push(emptyLevel());
    mergeOldest(window.levels[k]!, window.levels[k + 1]!, 2 ** k);
  }
}

function mergeOldest(from: Level, into: Level, size: number): void {
  const [a, b] = from.totals.splice(0, 2) as [number, number];
  const [va, vb] = from.variances.splice(0, 2) as [number, number];
  into.totals.push(a + b);
  into.variances.push(va + vb + ((a / size - b / size) ** 2 * size) / 2);
}

function dropOldest(window: Window): void {
  const last = window.levels.length - 1;
  const level = window.levels[last]!;
  const size = 2 ** last;
  const total = level.totals.shift()!;
  const variance = level.variances.shift()!;
  window.width -= size;
  window.total -= total;
  const gap = total / size - window.total / window.width;
  window.variance -= variance + (size * window.width * gap ** 2) / (size + window.width);
  if (level.totals.length === 0) window.levels.pop();
}

/** Tries the cuts from the oldest bucket on and says whether one of them shows a change. */
function hasCut(window: Window, delta: number, minWindowLength: number): boolean {
  const spread = window.variance / window.width;
  const logTerm = Math.log((2 * Math.log(window.width)) / delta);
  let n0 = 0;
  let total0 = 0;
  for (let k = window.levels.length - 1; k >= 0; k--) {
    const { totals } = window.levels[k]!;
    for (let b = 0; b < totals.length; b++) {
      n0 += 2 ** k;
      total0 += totals[b]!;
      const n1 = window.width - n0;
      if (n0 < minWindowLength || n1 < minWindowLength) continue;
      const gap = Math.abs(total0 / n0 - (window.total - total0) / n1);
      const inverse = 1 / (n0 - minWindowLength + 1) + 1 / (n1 - minWindowLength + 1);
      if (gap > Math.sqrt(2 * inverse * spread * logTerm) + (2 / 3) * logTerm * inverse) return true;
    }
  }
  return false;
}
