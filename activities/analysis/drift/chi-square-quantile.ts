import { chiSquareSf } from '../distributions/index.js';

/**
 * Quantile of the chi-square distribution: the x whose upper tail is `upperTail`, by bisection on the survival
 * function to the last bit. `df` > 0, `upperTail` in (0, 1).
 */
export function chiSquareQuantile(input: { readonly upperTail: number; readonly df: number }): number {
  const { upperTail, df } = input;
  let low = 0;
  let high = Math.max(1, df);
  while (chiSquareSf({ x: high, df }) > upperTail) high *= 2;
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    if (chiSquareSf({ x: middle, df }) > upperTail) low = middle;
    else high = middle;
  }
}
