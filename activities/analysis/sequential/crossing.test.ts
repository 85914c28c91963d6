import { describe, expect, it } from 'vitest';
import { lastNonNegative } from './crossing.js';

/** The result, and every point at which the function was asked. */
const find = (f: (x: number) => number, inside: number, outside: number): { at: number; asked: number[] } => {
  const asked: number[] = [];
  const at = lastNonNegative(
    (x) => {
      asked.push(x);
      return f(x);
    },
    inside,
    outside
  );
  return { at, asked };
};

/** Function, inside, outside, root, most evaluations: bisection takes 45 to 60. */
const smooth: [string, (x: number) => number, number, number, number, number][] = [
  ['cube', (x) => 2 - x ** 3, 0, 5, Math.cbrt(2), 20],
  ['logarithm', (x) => 3 - Math.log(x), 1, 1e4, Math.exp(3), 16],
  ['exponential', (x) => 100 - Math.exp(x), -30, 30, Math.log(100), 26],
  ['root of a large number', (x) => 1e12 - x * x, 0, 1e7, 1e6, 21],
  ['small root', (x) => 1e-6 - Math.tan(x), 0, 1, Math.atan(1e-6), 8],
  ['negative root', (x) => -8 - x ** 3, -20, 3, -2, 23],
  ['outside below inside', (x) => x - Math.SQRT2, 9, -9, Math.SQRT2, 6],
  ['line', (x) => 1 - x, 0, 3, 1, 6],
  ['root at 0', (x) => -Math.sinh(x), -1, 2, 0, 16],
];

describe('lastNonNegative', () => {
  it.each(smooth)('is exact and quick for a smooth function: %s', (_name, f, inside, outside, root, most) => {
    const { at, asked } = find(f, inside, outside);
    expect(f(at)).toBeGreaterThanOrEqual(0);
    const towards = Math.sign(outside - inside);
    const tolerance = 1e-13 * Math.max(Math.abs(root), 1e-3);
    expect(f(at + towards * 1.01 * tolerance)).toBeLessThan(0);
    expect(asked.length).toBeLessThanOrEqual(most);
    for (const x of asked) expect((x - inside) * (outside - x)).toBeGreaterThanOrEqual(0);
  });

  it('starts with the secant of both ends', () => {
    const { asked } = find((x) => 2 - x ** 3, 0, 5);
    expect(asked.slice(0, 2)).toEqual([0, 5]);
    // 2 / (2 - -123) of the way.
    expect(asked[2]).toBeCloseTo(5 * (2 / 125), 14);
    // The end that stays twice counts half: from f(.08) = 1.999 and -123 / 2.
    const [good, goodValue] = [asked[2]!, 2 - asked[2]! ** 3];
    expect(asked[3]).toBeCloseTo(good + ((5 - good) * goodValue) / (goodValue + 123), 12);
  });

  it.each([
    ['a step', (x: number) => (x <= 1 / 3 ? 1 : -1e-300), 1 / 3, 190],
    ['a step up to minus infinity', (x: number) => (x <= 2 / 3 ? 1 : -Infinity), 2 / 3, 50],
    ['an infinite end that becomes finite', (x: number) => (x < 0.2 ? Infinity : 0.7 - x), 0.7, 20],
    ['both ends infinite', (x: number) => (x <= 0.3 ? Infinity : -Infinity), 0.3, 50],
    ['zeros before the end', (x: number) => Math.min(0, 0.7 - x), 0.7, 190],
    ['a cliff after a slope', (x: number) => (x <= 0.9 ? 1e-9 * (1 - x) : -1e9), 0.9, 190],
  ])('ends within the tolerance for %s', (_name, f, root, most) => {
    const { at, asked } = find(f, 0, 1);
    expect(f(at)).toBeGreaterThanOrEqual(0);
    expect(Math.abs(at - root)).toBeLessThanOrEqual(1e-13);
    expect(asked.length).toBeLessThanOrEqual(most);
  });

  it('takes no step where there is nothing between the ends', () => {
    expect(find((x) => 1 - x, 1, 1)).toEqual({ at: 1, asked: [1, 1] });
    const next = 1 + 2 ** -52;
    expect(find((x) => 1 - x, 1, next)).toEqual({ at: 1, asked: [1, next] });
    expect(find((x) => -x, 0, 1e-17).asked).toHaveLength(2);
  });
});
