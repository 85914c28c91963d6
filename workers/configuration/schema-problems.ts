import { z } from 'zod';
import { described } from './fields.js';
import type { FoundProblem } from './problems.js';
import { didYouMean } from './suggestions.js';

type Path = readonly (string | number)[];

/** Reads a value with a schema: the result, or every problem in the words of this project. */
export function check<T extends z.ZodType>(
  schema: T,
  value: unknown,
  at: Path = []
): { readonly value: z.output<T> | undefined; readonly problems: readonly FoundProblem[] } {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return { value: result.data, problems: [] };
  const problems = result.error.issues.flatMap((issue) => translate(issue, schema, []));
  return { value: undefined, problems: problems.map((one) => ({ ...one, path: [...at, ...one.path] })) };
}

function translate(issue: z.core.$ZodIssue, schema: z.ZodType, before: Path): readonly FoundProblem[] {
  const path = [...before, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
  const { input } = issue;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: 'unknown key',
        suggestion: didYouMean(key, known),
      }));
    }
    case 'invalid_union':
      return translateUnion(issue, schema, path);
    case 'invalid_key':
      return issue.issues.flatMap((inner) => translate(inner, schema, path).map((one) => ({ ...one, path })));
    case 'custom':
      return [{ path, message: issue.message, suggestion: suggestionOf(issue.params) }];
    case 'too_small':
      return [{ path, message: `expected a list of at least ${issue.minimum}, got ${described(input)}` }];
    case 'too_big':
      return [{ path, message: `expected a list of at most ${issue.maximum}, got ${described(input)}` }];
    case 'invalid_type': {
      const expected = `expected ${kinds[issue.expected] ?? issue.expected}`;
      return [
        { path, message: input === undefined ? `required: ${expected}` : `${expected}, got ${described(input)}` },
      ];
    }
    default:
      return [{ path, message: issue.message }];
  }
}

const kinds: { readonly [expected: string]: string } = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'text',
};

function suggestionOf(params: Record<string, unknown> | undefined): string | undefined {
  const suggestion = params?.['suggestion'];
  return typeof suggestion === 'string' ? suggestion : undefined;
}

/** The alternative that finds fault only with what is in the value speaks; when none does, all say what they expect. */
function translateUnion(issue: z.core.$ZodIssueInvalidUnion, schema: z.ZodType, path: Path): readonly FoundProblem[] {
  const branches = issue.errors.map((branch) => branch.flatMap((inner) => translate(inner, schema, path)));
  const chosen = branches.find((branch) => branch.every((one) => one.path.length > path.length));
  if (chosen !== undefined) return chosen;
  const told = branches.flat();
  const got = described(issue.input);
  const expectations = told.map((one) =>
    one.message
      .replace(/^required: /, '')
      .replace(/^expected /, '')
      .replace(`, got ${got}`, '')
  );
  const expected = `expected ${[...new Set(expectations)].join(', or ')}`;
  const suggestion = told.map((one) => one.suggestion).find((one) => one !== undefined);
  return [
    { path, message: issue.input === undefined ? `required: ${expected}` : `${expected}, got ${got}`, suggestion },
  ];
}

/** Keys that the schema knows at a path. */
function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  let level: readonly z.core.$ZodType[] = alternatives(schema);
  for (const part of path) level = level.flatMap((one) => below(one, String(part))).flatMap(alternatives);
  return level.flatMap((one) => (one instanceof z.ZodObject ? Object.keys(one.shape) : []));
}

function below(schema: z.core.$ZodType, part: string): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) {
    const inner = (schema.shape as Record<string, z.core.$ZodType>)[part];
    return inner === undefined ? [] : [inner];
  }
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  return [];
}

function alternatives(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional) return alternatives(schema.unwrap());
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(alternatives);
  return [schema];
}
