import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import {
  described,
  duration,
  field,
  list,
  real,
  size,
  slug,
  text,
  whole,
  wholePercent,
  word,
  yesNo,
} from './fields.js';
import { formatProblem } from './problems.js';
import { check } from './schema-problems.js';
import { FieldProblem } from './units.js';

// What is taken and what is told at the ends of what each field takes.

const told = (schema: z.ZodType, value: unknown): readonly string[] =>
  check(schema, value).problems.map(({ message, suggestion }) =>
    formatProblem({ file: 'f', line: 1, column: 1, path: '', message, suggestion: suggestion ?? null }).replace(
      'f:1:1  ',
      ''
    )
  );

const name = text({ what: 'a name', max: 5 });
const lines = text({ what: 'a text', lines: true });
const modelName = slug('a model');
const nameRule = 'expected a model: lower-case letters, digits and -, starting with a letter, at most 63 characters';
const strategy = word(['canary', 'replay'], ['shadow']);

describe('a field takes', () => {
  it.each<[schema: z.ZodType, values: readonly unknown[]]>([
    [name, ['a', 'abcde', 'ab é', '🛫🛫']],
    [lines, ['a\nb\tc', 'x'.repeat(200)]],
    [modelName, ['a', 'a-1', 'a'.repeat(63)]],
    [real(), [-1e308, 0, 0.5]],
    [real({ min: 0, max: 2 }), [0, 2]],
    [real({ above: 0, max: 2 }), [1e-300, 2]],
    [whole({ min: 0, max: 65_535 }), [0, 65_535]],
    [whole({ min: -5 }), [-5, Number.MAX_SAFE_INTEGER]],
    [yesNo, [true, false]],
    [strategy, ['canary', 'replay']],
    [list(real(), { max: 2 }), [[], [1, 2]]],
    [list(real(), { min: 1, max: 2 }), [[1], [1, 2]]],
  ])('%#: what is right, as it is', (schema, values) => {
    for (const value of values) expect(check(schema, value)).toEqual({ value, problems: [] });
  });
});

describe('a field refuses', () => {
  it.each<[schema: z.ZodType, value: unknown, message: string]>([
    [name, undefined, 'required: expected a name'],
    [name, null, 'expected a name, got nothing (null)'],
    [name, 5, 'expected a name, got 5; quote it: "5"'],
    [name, true, 'expected a name, got true; quote it: "true"'],
    [name, { x: 1 }, 'expected a name, got a mapping'],
    [name, [], 'expected a name, got an empty list'],
    [name, ['x', 'y'], 'expected a name, got a list of 2'],
    [name, '', 'expected a name, got ""'],
    [name, '  ', 'expected a name, got "  "'],
    [name, 'abcdef', 'expected a name of at most 5 characters, got "abcdef"'],
    [name, 'a\nb', 'expected a name without control characters, got "a\\nb"'],
    [lines, 'a\0b', 'expected a text without control characters, got "a\\u0000b"'],
    [lines, 'a\rb', 'expected a text without control characters, got "a\\rb"'],
    [lines, 'a\ud800', 'expected a text, in well-formed Unicode, got "a\\ud800"'],
    [lines, 'x'.repeat(201), `expected a text of at most 200 characters, got "${'x'.repeat(57)}"... (201 characters)`],
    [modelName, 'Flight Delay!', `${nameRule}, got "Flight Delay!"; write flight-delay`],
    [modelName, '-9lives', `${nameRule}, got "-9lives"; write lives`],
    [modelName, '42', `${nameRule}, got "42"`],
    [modelName, 42, `${nameRule}, got 42`],
    [modelName, null, `${nameRule}, got nothing (null)`],
    [modelName, ['late'], `${nameRule}, got a list of 1`],
    [modelName, ['Late'], `${nameRule}, got a list of 1`],
    [modelName, 'A'.repeat(63), `${nameRule}, got "${'A'.repeat(57)}"... (63 characters); write ${'a'.repeat(63)}`],
    [modelName, 'a'.repeat(64), `${nameRule}, got "${'a'.repeat(57)}"... (64 characters)`],
    [real(), 'x', 'expected a number, got "x"'],
    [real(), Infinity, 'expected a number, got Infinity'],
    [real({ min: 0 }), -0.1, 'expected a number >= 0, got -0.1'],
    [real({ max: 2 }), 2.1, 'expected a number <= 2, got 2.1'],
    [real({ min: 0, max: 2 }), 2.1, 'expected a number from 0 to 2, got 2.1'],
    [real({ above: 0 }), 0, 'expected a number above 0, got 0'],
    [real({ above: 0, max: 2 }), 3, 'expected a number above 0 and <= 2, got 3'],
    [real({ min: -1 }), Number.NaN, 'expected a number >= -1, got NaN'],
    [whole({ min: 0 }), 0.5, 'expected a whole number >= 0, got 0.5'],
    [whole({ min: 0 }), 2 ** 53, 'expected a whole number >= 0, got 9007199254740992'],
    [whole({ min: 0, max: 5 }), 6, 'expected a whole number from 0 to 5, got 6'],
    [whole({ min: 1 }), '5', 'expected a whole number >= 1, got "5"'],
    [yesNo, 'yes', 'expected true or false, got "yes"'],
    [strategy, 'canery', 'expected one of canary, replay, got "canery"; did you mean "canary"?'],
    // What there is stands in the sentence already.
    [strategy, 'elsewhere', 'expected one of canary, replay, got "elsewhere"'],
    [strategy, 5, 'expected one of canary, replay, got 5'],
    [strategy, 'shadow', '"shadow" is not supported yet in this version; expected canary or replay, got "shadow"'],
    [word(['none']), 'nona', 'expected none, got "nona"'],
    [word(['none']), ['none'], 'expected none, got a list of 1'],
    [list(real(), { max: 2 }), [1, 2, 3], 'expected a list of at most 2, got a list of 3'],
    [list(real(), { min: 1, max: 2 }), [], 'expected a list of at least 1, got an empty list'],
    [duration({ minMs: 1_000 }), '999ms', 'expected a duration of at least 1s, got "999ms"'],
    [wholePercent({ min: 0, max: 50 }), '51%', expect.stringContaining('50')],
    [size, '4 gigabytes', expect.stringMatching(/^expected .*, got "4 gigabytes"/)],
  ])('%#: %o (%o)', (schema, value, message) => {
    expect(told(schema, value)).toEqual([message]);
  });

  it('a value that may be a secret without repeating it', () => {
    const secret = field(
      {},
      () => {
        throw new FieldProblem('expected a reference', 'write secret:name');
      },
      { secret: true }
    );
    expect(told(secret, 'hunter2')).toEqual(['expected a reference; write secret:name']);
    // Nothing is there that could be written otherwise.
    expect(told(secret, undefined)).toEqual(['required: expected a reference']);
  });

  it('no value for a mistake of its own: that is thrown as it is', () => {
    const broken = field({}, () => {
      throw new TypeError('broken');
    });
    expect(() => check(broken, 'x')).toThrow(TypeError);
  });
});

it('what is there is told in a few words, up to 60 characters as it is', () => {
  expect(described('x'.repeat(60))).toBe(`"${'x'.repeat(60)}"`);
  expect(described('x'.repeat(61))).toBe(`"${'x'.repeat(57)}"... (61 characters)`);
});
