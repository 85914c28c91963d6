// Texts with units. Each reader returns the value, or a FieldProblem that says what is expected. A bare number is never
// taken: whether 10 means seconds or minutes is what nobody remembers a year later.

/** Says what a value should have been; the caller adds what it is. */
export class FieldProblem extends Error {
  override readonly name = 'FieldProblem';
  readonly suggestion: string | undefined;

  constructor(expected: string, suggestion?: string) {
    super(expected);
    this.suggestion = suggestion;
  }
}

const millisecondsPer = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Longest duration: ten years of 366 days. Longer ones are typing errors. */
const longestDurationMs = 3_660 * millisecondsPer.d;

const number = /^(\d{1,15}(?:\.\d{1,9})?)\s?(\S*)$/;

/** What a duration may be, in milliseconds. */
export interface DurationLimits {
  readonly zero?: boolean;
  /** Shorter ones could not be kept, or would keep every machine busy with nothing else. */
  readonly minMs?: number;
  /** Default ten years. */
  readonly maxMs?: number;
}

/** A duration as one writes it: the largest unit that it is a whole number of. */
export function written(ms: number): string {
  const units = Object.entries(millisecondsPer).toReversed();
  const [unit, per] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / per}${unit}`;
}

/** `7d`, `24h`, `10m`, `30s`, `500ms` to whole milliseconds. */
export function readDuration(value: unknown, options: DurationLimits = {}): number {
  const expected = 'expected a duration such as 30s, 10m, 24h or 7d';
  if (typeof value === 'number' && Number.isFinite(value)) {
    throw new FieldProblem(expected, `write the unit: ${value}s, ${value}m, ${value}h or ${value}d`);
  }
  if (typeof value !== 'string') throw new FieldProblem(expected);
  const [, amount, unit] = number.exec(value) ?? [];
  if (amount === undefined || unit === undefined || !Object.hasOwn(millisecondsPer, unit)) {
    throw new FieldProblem(expected, 'units are ms, s, m, h and d');
  }
  const result = Math.round(Number(amount) * millisecondsPer[unit as keyof typeof millisecondsPer]);
  const { minMs = 0, maxMs = longestDurationMs } = options;
  if (result > maxMs) {
    throw new FieldProblem(
      `expected a duration of at most ${maxMs === longestDurationMs ? 'ten years (3660d)' : written(maxMs)}`
    );
  }
  if (result === 0 && options.zero !== true && minMs === 0) throw new FieldProblem('expected a duration above zero');
  if (result < minMs) throw new FieldProblem(`expected a duration of at least ${written(minMs)}`);
  return result;
}

/** `1%` or `0.01` to a fraction in [0, 1]. */
export function readFraction(value: unknown): number {
  const expected = 'expected a percentage such as 1%, or a fraction from 0 to 1';
  if (typeof value === 'number') {
    if (value >= 0 && value <= 1) return value;
    throw new FieldProblem(expected, value > 1 && value <= 100 ? `write ${value}%` : undefined);
  }
  const [, amount, unit] = typeof value === 'string' ? (number.exec(value) ?? []) : [];
  if (amount === undefined || unit !== '%' || Number(amount) > 100) throw new FieldProblem(expected);
  // Through decimal text: 7 / 100 is exact to the last digit people write, 7 * 0.01 is not.
  return Number(`${amount}e-2`);
}

/** `1%` to the whole number 1. */
export function readWholePercent(value: unknown, limits: { readonly min: number; readonly max: number }): number {
  const expected = `expected a whole percentage from ${limits.min}% to ${limits.max}%`;
  if (typeof value === 'number') {
    throw new FieldProblem(expected, Number.isFinite(value) ? `write ${value}%` : undefined);
  }
  const [, amount, unit] = typeof value === 'string' ? (number.exec(value) ?? []) : [];
  const result = Number(amount);
  if (unit !== '%' || !Number.isInteger(result) || result < limits.min || result > limits.max) {
    throw new FieldProblem(expected);
  }
  return result;
}

/** `1x`, `1.5x` to the number. */
export function readRatio(value: unknown): number {
  const expected = 'expected a ratio such as 1x or 1.5x';
  if (typeof value === 'number') {
    throw new FieldProblem(expected, Number.isFinite(value) ? `write ${value}x` : undefined);
  }
  const [, amount, unit] = typeof value === 'string' ? (number.exec(value) ?? []) : [];
  const result = Number(amount);
  if (unit !== 'x') throw new FieldProblem(expected);
  if (!(result > 0 && result <= 1_000)) throw new FieldProblem('expected a ratio above 0x and at most 1000x');
  return result;
}

const bytesPer: { readonly [unit: string]: number } = {
  B: 1,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};

/** `4Gi`, `512Mi`, `2G` to bytes; a B behind the unit changes nothing: `4GiB`, `2GB`. */
export function readSize(value: unknown): number {
  const expected = 'expected a size such as 512Mi or 4Gi';
  if (typeof value === 'number') {
    throw new FieldProblem(expected, Number.isFinite(value) ? `write the unit: ${value}Mi or ${value}Gi` : undefined);
  }
  const [, amount, unit] = typeof value === 'string' ? (number.exec(value) ?? []) : [];
  const name = /^([KMGT]i?)B?$/.exec(unit ?? '')?.[1] ?? unit ?? '';
  const per = Object.hasOwn(bytesPer, name) ? bytesPer[name] : undefined;
  if (amount === undefined || per === undefined) {
    throw new FieldProblem(expected, 'units are B, Ki, Mi, Gi, Ti and K, M, G, T');
  }
  const result = Math.round(Number(amount) * per);
  if (result <= 0 || result > 2 ** 50) throw new FieldProblem('expected a size above zero and at most 1024Ti');
  return result;
}

/** `20 USD` to amount and currency (ISO 4217 letters). */
export function readMoney(value: unknown): { readonly amount: number; readonly currency: string } {
  const expected = 'expected an amount of money such as 20 USD';
  if (typeof value === 'number') {
    throw new FieldProblem(expected, Number.isFinite(value) ? `write the currency: ${value} USD` : undefined);
  }
  const [, amount, currency] =
    typeof value === 'string' ? (/^(\d{1,12}(?:\.\d{1,4})?) ([A-Z]{3})$/.exec(value) ?? []) : [];
  if (amount === undefined || currency === undefined) throw new FieldProblem(expected);
  if (Number(amount) === 0) throw new FieldProblem('expected an amount above zero');
  return { amount: Number(amount), currency };
}

/** `365 windows` to the number. */
export function readWindows(value: unknown): number {
  const expected = 'expected a number of windows such as 365 windows';
  if (typeof value === 'number') {
    throw new FieldProblem(expected, Number.isFinite(value) ? `write ${value} windows` : undefined);
  }
  const [, amount] = typeof value === 'string' ? (/^(\d{1,9}) windows?$/.exec(value) ?? []) : [];
  if (amount === undefined || Number(amount) < 1) throw new FieldProblem(expected);
  return Number(amount);
}
