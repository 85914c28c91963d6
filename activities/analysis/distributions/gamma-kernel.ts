const HALF_LOG_2PI = 0.9189385332046728;

/** B(2k) / (2k (2k - 1)) for k = 1..10: Stirling's series of ln Gamma. */
const STIRLING = [
  0.08333333333333333, -0.002777777777777778, 0.0007936507936507937, -0.0005952380952380953, 0.0008417508417508417,
  -0.0019175269175269176, 0.00641025641025641, -0.029550653594771242, 0.17964437236883057, -1.3924322169059011,
] as const;

/** (zeta(k) - 1) (-1)^k / k for k = 2..31: ln Gamma(2 + s) = (1 - gamma) s + sum of these times s^k, |s| < 2. */
const ZETA = [
  0.3224670334241132, -0.0673523010531981, 0.020580808427784546, -0.007385551028673986, 0.0028905103307415234,
  -0.001192753911703261, 0.0005096695247430425, -0.00022315475845357939, 0.00009945751278180853,
  -0.00004492623673813314, 0.00002050721277567069, -0.000009439488275268397, 0.000004374866789907488,
  -0.000002039215753801366, 9.55141213040742e-7, -4.492469198764566e-7, 2.1207184805554665e-7, -1.0043224823968099e-7,
  4.7698101693639804e-8, -2.2711094608943164e-8, 1.0838659214896955e-8, -5.183475041970047e-9, 2.4836745438024785e-9,
  -1.1921401405860912e-9, 5.731367241678862e-10, -2.7595228851242334e-10, 1.330476437424449e-10, -6.4229645638381e-11,
  3.1044247747322276e-11, -1.5021384080754142e-11,
] as const;

const ONE_MINUS_EULER = 0.42278433509846713;

/** The sum of Stirling's series at x >= 9: ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi) / 2). */
const stirlingSeries = (x: number): number => {
  const inverse = 1 / x;
  const square = inverse * inverse;
  let series = 0;
  for (let k = x > 60 ? 4 : 9; k >= 0; k -= 1) series = series * square + (STIRLING[k] as number);
  return series * inverse;
};

/** ln Gamma(2 + s) for |s| <= .5. */
const nearTwo = (s: number): number => {
  let series = 0;
  for (let k = ZETA.length - 1; k >= 0; k -= 1) series = series * s + (ZETA[k] as number);
  return s * (ONE_MINUS_EULER + s * series);
};

/** ln Gamma(x) for x > 0, unchecked. */
export const logGammaPositive = (x: number): number => {
  if (x >= 9) return x > 1e17 ? x * (Math.log(x) - 1) : (x - 0.5) * Math.log(x) - x + HALF_LOG_2PI + stirlingSeries(x);
  if (x >= 2.5) {
    let product = 1;
    let s = x - 1;
    for (; s >= 1.5; s -= 1) product *= s;
    // Here s is in [.5, 1.5), so that s + 1 - 2 lies in the range of the series.
    return Math.log(product) + nearTwo(s - 1);
  }
  if (x >= 1.5) return nearTwo(x - 2);
  if (x >= 0.5) return nearTwo(x - 1) - Math.log1p(x - 1);
  return nearTwo(x) - Math.log1p(x) - Math.log(x);
};

/** ln x! - ln(sqrt(2 pi x) (x / e)^x) for x > 0: what Stirling's formula leaves out (Loader 2000). */
export const stirlingError = (x: number): number =>
  x >= 9 ? stirlingSeries(x) : logGammaPositive(x + 1) - (x + 0.5) * Math.log(x) + x - HALF_LOG_2PI;

/** ln(1 + x) - x without cancellation, x > -1. */
export const log1pMinus = (x: number): number => {
  if (x < -0.4 || x > 0.6) return Math.log1p(x) - x;
  // ln(1 + x) = 2 artanh(r) with r = x / (2 + x), and 2 r - x = -r x.
  const r = x / (2 + x);
  const square = r * r;
  let power = square;
  let series = 0;
  for (let k = 3; ; k += 2) {
    const next = series + power / k;
    if (next === series) break;
    series = next;
    power *= square;
  }
  return r * (2 * series - x);
};

/** x ln(x / m) + m - x >= 0 without cancellation, x > 0, m > 0: half the Poisson deviance (Loader 2000). */
export const deviance = (x: number, m: number): number => {
  if (Math.abs(x - m) < 0.1 * (x + m)) return -x * log1pMinus((m - x) / x);
  return x * Math.log(x / m) + m - x;
};

/** ln Gamma(1 + s) for |s| <= .5, to the last digits of s. */
const logGammaOnePlus = (s: number): number => nearTwo(s) - Math.log1p(s);

/** Derivative of Stirling's series at x >= 9. */
const stirlingSlope = (x: number): number => {
  const square = 1 / (x * x);
  let series = 0;
  for (let k = 9; k >= 0; k -= 1) series = series * square - (2 * k + 1) * (STIRLING[k] as number);
  return series * square;
};

/**
 * ln of Gamma(a + b) / (Gamma(1 + a) Gamma(b)) for 0 < a <= 1e-4, b > 0, with an error relative to a, where the three
 * logarithms would leave nothing of it: the factor of the incomplete beta function whose first parameter is tiny.
 */
export const logTinyBetaFactor = (a: number, b: number): number => {
  let rise = -logGammaOnePlus(a);
  let from = b;
  for (; from < 10; from += 1) rise -= Math.log1p(a / from);
  const share = a / from;
  // (from + a - 1/2) ln(1 + a / from) - a by its series: log1p and a nearly cancel.
  const rest = from * log1pMinus(share) + (a - 0.5) * Math.log1p(share);
  return rise + a * Math.log(from) + rest + a * stirlingSlope(from + a / 2);
};
