import { requireNumber, requireObject, requireParameter } from '../input.js';
import { betaTail } from './beta.js';
import { normalSf } from './normal.js';

/**
 * Upper tail of Student's t distribution, P(T > t): I_(df / (df + t^2))(df / 2, 1 / 2) / 2 for t > 0.
 * Throws `AnalysisInputError` unless t is a number and df >= 1e-100; df may be Infinity (the normal distribution).
 */
export const studentTSf = (input: { readonly t: number; readonly df: number }): number => {
  requireObject('input', input);
  const { t, df } = input;
  requireNumber('t', t);
  // From 1e100 on the two distributions agree to the last digit, and df / 2 stays a parameter of the beta function.
  if (typeof df === 'number' && df > 1e100) return normalSf(t);
  requireParameter('df', df);
  if (t === 0) return 0.5;
  if (!Number.isFinite(t)) return t > 0 ? 0 : 1;
  // Both shares from the ratio: df + t^2 may overflow or swallow t^2.
  const ratio = (t / df) * t;
  const x = 1 / (1 + ratio);
  const y = ratio === Infinity ? 1 : ratio / (1 + ratio);
  const half = betaTail(df / 2, 0.5, x, y, false) / 2;
  return t > 0 ? half : 1 - half;
};
