import { z } from 'zod';
import { readCommand } from './command.js';
import { didYouMean } from './suggestions.js';
import {
  FieldProblem,
  readDuration,
  readFraction,
  readMoney,
  readRatio,
  readSize,
  readWholePercent,
  readWindows,
} from './units.js';
import type { DurationLimits } from './units.js';

// Building blocks of the schemas. Each reads one value and says in one sentence what it expected; the JSON Schema for
// editors stands beside it, because it is coarser than the check.

/** What is there, short enough for a message. */
export function described(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (null)';
  if (typeof value === 'string') {
    return value.length > 60
      ? `${JSON.stringify(value.slice(0, 57))}... (${value.length} characters)`
      : JSON.stringify(value);
  }
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return 'a mapping';
}

/** A schema from a reader that throws {@link FieldProblem}. `secret` keeps the value out of the message. */
export function field<T>(
  jsonSchema: Readonly<Record<string, unknown>>,
  read: (value: unknown) => T,
  options: { readonly secret?: boolean } = {}
): z.ZodType<T> {
  return z
    .unknown()
    .transform((value, context): T => {
      try {
        return read(value);
      } catch (error) {
        if (!(error instanceof FieldProblem)) throw error;
        const got = options.secret === true ? '' : `, got ${described(value)}`;
        context.addIssue({
          code: 'custom',
          message: value === undefined ? `required: ${error.message}` : `${error.message}${got}`,
          params: { suggestion: value === undefined ? undefined : error.suggestion },
        });
        return z.NEVER;
      }
    })
    .meta(jsonSchema);
}

/** Text without control characters. */
export const text = (options: {
  readonly what: string;
  readonly max?: number;
  readonly lines?: boolean;
}): z.ZodType<string> => {
  const max = options.max ?? 200;
  const forbidden = options.lines === true ? /[^\P{Cc}\n\t]/u : /\p{Cc}/u;
  return field({ type: 'string', minLength: 1, maxLength: max }, (value) => {
    const expected = `expected ${options.what}`;
    if (typeof value === 'number' || typeof value === 'boolean')
      throw new FieldProblem(expected, `quote it: "${value}"`);
    if (typeof value !== 'string' || value.trim() === '') throw new FieldProblem(expected);
    if (value.length > max) throw new FieldProblem(`${expected} of at most ${max} characters`);
    if (forbidden.test(value)) throw new FieldProblem(`${expected} without control characters`);
    // A lone surrogate cannot be stored as UTF-8: it would come back as another text.
    if (/\p{Surrogate}/u.test(value)) throw new FieldProblem(`${expected}, in well-formed Unicode`);
    return value;
  });
};

/** Lower-case name that can be part of ids. */
export const slug = (what: string): z.ZodType<string> =>
  field({ type: 'string', pattern: '^[a-z][a-z0-9-]{0,62}$' }, (value) => {
    if (typeof value === 'string' && /^[a-z][a-z0-9-]{0,62}$/.test(value)) return value;
    const expected = `expected ${what}: lower-case letters, digits and -, starting with a letter, at most 63 characters`;
    const fixed =
      typeof value === 'string' && value.length <= 63
        ? value
            .toLowerCase()
            .replaceAll(/[^a-z0-9-]+/g, '-')
            .replaceAll(/^[^a-z]+|-+$/g, '')
        : '';
    throw new FieldProblem(expected, fixed === '' ? undefined : `write ${fixed}`);
  });

interface Range {
  readonly min?: number;
  readonly max?: number;
  /** Excludes `min` itself. */
  readonly above?: number;
}

const rangeText = ({ min, max, above }: Range): string => {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  const lower = above !== undefined ? ` above ${above}` : min !== undefined ? ` >= ${min}` : '';
  const upper = max === undefined ? '' : `${lower === '' ? '' : ' and'} <= ${max}`;
  return `${lower}${upper}`;
};

const inRange = (value: number, { min, max, above }: Range): boolean =>
  Number.isFinite(value) && value >= (min ?? -Infinity) && value <= (max ?? Infinity) && value > (above ?? -Infinity);

const rangeSchema = ({ min, max, above }: Range): Readonly<Record<string, unknown>> => ({
  ...(min === undefined ? {} : { minimum: min }),
  ...(max === undefined ? {} : { maximum: max }),
  ...(above === undefined ? {} : { exclusiveMinimum: above }),
});

/** A finite number. */
export const real = (range: Range = {}): z.ZodType<number> =>
  field({ type: 'number', ...rangeSchema(range) }, (value) => {
    if (typeof value === 'number' && inRange(value, range)) return value;
    throw new FieldProblem(`expected a number${rangeText(range)}`);
  });

/** A whole number that JSON keeps exactly. */
export const whole = (range: Range): z.ZodType<number> =>
  field({ type: 'integer', ...rangeSchema(range) }, (value) => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && inRange(value, range)) return value;
    throw new FieldProblem(`expected a whole number${rangeText(range)}`);
  });

export const yesNo: z.ZodType<boolean> = field({ type: 'boolean' }, (value) => {
  if (typeof value === 'boolean') return value;
  throw new FieldProblem('expected true or false');
});

/** One of a few words. `later` are words that are planned: they get their own message. */
export const word = <const T extends string>(words: readonly T[], later: readonly string[] = []): z.ZodType<T> =>
  field({ enum: words }, (value) => {
    if ((words as readonly unknown[]).includes(value)) return value as T;
    if (typeof value === 'string' && later.includes(value)) throw notYet(`"${value}"`, words);
    const expected = words.length === 1 ? `expected ${words[0]}` : `expected one of ${words.join(', ')}`;
    throw new FieldProblem(
      expected,
      typeof value === 'string' && words.length > 1 ? didYouMeanOnly(value, words) : undefined
    );
  });

const didYouMeanOnly = (value: string, words: readonly string[]): string | undefined => {
  const suggestion = didYouMean(value, words);
  // The list of words is already in the sentence.
  return suggestion?.startsWith('did') === true ? suggestion : undefined;
};

/** For what the design has and this version does not. */
export const notYet = (what: string, instead: readonly string[]): FieldProblem =>
  new FieldProblem(`${what} is not supported yet in this version; expected ${instead.join(' or ')}`);

const unitText = (example: string): Readonly<Record<string, unknown>> => ({ type: 'string', examples: [example] });

export const duration = (options: DurationLimits = {}): z.ZodType<number> =>
  field({ ...unitText('24h'), pattern: '^[0-9.]+ ?(ms|s|m|h|d)$' }, (value) => readDuration(value, options));
export const fraction: z.ZodType<number> = field(
  {
    anyOf: [
      { type: 'string', pattern: '^[0-9.]+ ?%$' },
      { type: 'number', minimum: 0, maximum: 1 },
    ],
  },
  readFraction
);
export const wholePercent = (limits: { readonly min: number; readonly max: number }): z.ZodType<number> =>
  field({ ...unitText('1%'), pattern: '^[0-9]+ ?%$' }, (value) => readWholePercent(value, limits));
export const ratio: z.ZodType<number> = field({ ...unitText('1.5x'), pattern: '^[0-9.]+ ?x$' }, readRatio);
export const size: z.ZodType<number> = field({ ...unitText('4Gi'), pattern: '^[0-9.]+ ?(B|[KMGT]i?B?)$' }, readSize);
export const money = field({ ...unitText('20 USD'), pattern: '^[0-9.]+ [A-Z]{3}$' }, readMoney);
export const windows: z.ZodType<number> = field(
  { ...unitText('365 windows'), pattern: '^[0-9]+ windows?$' },
  readWindows
);
export const command: z.ZodType<readonly string[]> = field(
  { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }] },
  readCommand
);

/** A mapping with exactly these keys. */
export const section = <T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> => z.strictObject(shape);

/** A list; `max` bounds what a run carries in every history. */
export const list = <T extends z.ZodType>(
  item: T,
  options: { readonly min?: number; readonly max: number }
): z.ZodArray<T> =>
  z
    .array(item)
    .min(options.min ?? 0)
    .max(options.max);
