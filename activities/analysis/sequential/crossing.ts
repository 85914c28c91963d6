/**
 * The last point at which a decreasing function is still >= 0, between `inside` (f >= 0) and `outside` (f < 0); the two
 * may be in either order. Illinois steps guarded by bisection; relative width 1e-13 of the result.
 */
export const lastNonNegative = (f: (x: number) => number, inside: number, outside: number): number => {
  let good = inside;
  let goodValue = f(inside);
  let bad = outside;
  let badValue = f(outside);
  for (let i = 0; i < 200; i += 1) {
    const width = Math.abs(bad - good);
    if (width <= 1e-13 * Math.max(Math.abs(good), Math.abs(bad), 1e-3)) break;
    let next = good + ((bad - good) * goodValue) / (goodValue - badValue);
    // Every third step halves the bracket, so that a flat or infinite end cannot stall it.
    if (i % 3 === 2 || !(next > Math.min(good, bad) && next < Math.max(good, bad))) next = (good + bad) / 2;
    const value = f(next);
    if (value >= 0) {
      good = next;
      goodValue = value;
      badValue /= 2;
    } else {
      bad = next;
      badValue = value;
      goodValue /= 2;
    }
  }
  return good;
};
