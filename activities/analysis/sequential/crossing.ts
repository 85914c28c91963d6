/**
 * The last point at which a decreasing function is still >= 0, between `inside` (f >= 0) and `outside` (f < 0); the two
 * may be in either order. Secant steps where the end that stays twice counts half (Illinois), at least half the
 * tolerance away from both ends, and halving where three of them have not halved the bracket, or a value is infinite. To 1e-13 of the result, or
 * 1e-16 near 0.
 */
export const lastNonNegative = (f: (x: number) => number, inside: number, outside: number): number => {
  let [good, goodValue] = [inside, f(inside)];
  let [bad, badValue] = [outside, f(outside)];
  let stayed: 'good' | 'bad' | null = null;
  let steps = 0;
  let goal = Math.abs(bad - good) / 2;
  for (;;) {
    const width = Math.abs(bad - good);
    const tolerance = 1e-13 * Math.max(Math.abs(good), Math.abs(bad), 1e-3);
    if (width <= tolerance) return good;
    if (width <= goal) [steps, goal] = [0, width / 2];
    // Share of the bracket to step over, from the good end; an infinite end has no secant.
    const drop = goodValue - badValue;
    const least = tolerance / 2 / width;
    const share = steps < 3 && drop < Infinity ? Math.min(Math.max(goodValue / drop, least), 1 - least) : 0.5;
    steps += 1;
    const next = good + (bad - good) * share;
    const value = f(next);
    if (value >= 0) {
      [good, goodValue] = [next, value];
      if (stayed === 'bad') badValue /= 2;
      stayed = 'bad';
    } else {
      [bad, badValue] = [next, value];
      if (stayed === 'good') goodValue /= 2;
      stayed = 'good';
    }
  }
};
