import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { check } from './schema-problems.js';

// How what is wrong with a value is told, in the words of this project and not in those of its library.

const schema = z.strictObject({
  data: z.strictObject({ source: z.string() }),
  steps: z.array(z.number()).min(1).max(2).optional(),
  approval: z.union([z.string(), z.strictObject({ quorum: z.number() })]).optional(),
  models: z.union([z.string(), z.array(z.string()).max(2)]).optional(),
});
const told = (value: unknown) => check(schema, value, ['release']).problems;
const right = { data: { source: 'rows.csv' } };

describe('a value that is', () => {
  it.each<[value: unknown, path: readonly (string | number)[], message: string]>([
    [5, [], 'expected a mapping, got 5'],
    [{ data: 5 }, ['data'], 'expected a mapping, got 5'],
    [{ data: {} }, ['data', 'source'], 'required: expected text'],
    [{ data: { source: [1] } }, ['data', 'source'], 'expected text, got a list of 1'],
    [{}, ['data'], 'required: expected a mapping'],
    [{ ...right, steps: 5 }, ['steps'], 'expected a list, got 5'],
    [{ ...right, steps: ['a'] }, ['steps', 0], 'expected number, got "a"'],
    [{ ...right, steps: [] }, ['steps'], 'expected a list of at least 1, got an empty list'],
    [{ ...right, steps: [1, 2, 3] }, ['steps'], 'expected a list of at most 2, got a list of 3'],
    [{ ...right, approval: { quorum: 'two' } }, ['approval', 'quorum'], 'expected number, got "two"'],
    [{ ...right, approval: {} }, ['approval', 'quorum'], 'required: expected number'],
    [{ ...right, models: ['a', 5] }, ['models', 1], 'expected text, got 5'],
  ])('wrong: %j', (value, path, message) => {
    expect(told(value)).toEqual([{ path: ['release', ...path], message }]);
  });

  it.each([
    [null, 'expected text, or a mapping, got nothing (null)'],
    [[1], 'expected text, or a mapping, got a list of 1'],
    [5, 'expected text, or a mapping, got 5'],
  ])('of another kind than every alternative, such as %j, is told all of them', (approval, message) => {
    expect(told({ ...right, approval })).toEqual([{ path: ['release', 'approval'], message, suggestion: undefined }]);
  });

  it('of the right kind but for its size is told all alternatives, and not what is wrong in it', () => {
    expect(told({ ...right, models: ['a', 'b', 5] })).toMatchObject([
      { path: ['release', 'models'], message: 'expected text, or a list of at most 2, got a list of 3' },
    ]);
  });

  it('required and absent is told what it may be', () => {
    const label = z.strictObject({ label: z.union([z.string(), z.strictObject({ column: z.string() })]) });
    expect(check(label, {}).problems).toMatchObject([
      { path: ['label'], message: 'required: expected text, or a mapping' },
    ]);
  });

  it('right is given back', () => {
    expect(check(schema, right)).toEqual({ value: right, problems: [] });
  });

  it('unknown is compared with what is known there', () => {
    expect(told({ data: { source: 'x', sorce: 1 } })).toEqual([
      { path: ['release', 'data', 'sorce'], message: 'unknown key', suggestion: 'did you mean "source"?' },
    ]);
  });

  it('suggested something by a check is told that, if it is a text', () => {
    const checked = (suggestion: unknown) =>
      check(
        z
          .string()
          .superRefine((_, context) => context.addIssue({ code: 'custom', message: 'no', params: { suggestion } })),
        'x'
      ).problems[0];
    expect(checked('write y')).toEqual({ path: [], message: 'no', suggestion: 'write y' });
    expect(checked(5)).toEqual({ path: [], message: 'no', suggestion: undefined });
  });
});
