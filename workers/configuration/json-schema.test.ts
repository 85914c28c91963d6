import { Ajv2020 } from 'ajv/dist/2020.js';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { completeConfig, completeModel } from './complete.test.fixture.js';
import { configSchema } from './config-schema.js';
import { exampleText } from './example.test.fixture.js';
import { configJsonSchema, modelJsonSchema } from './json-schema.js';
import { modelSchema } from './model-schema.js';
import { withValue } from './project.test.fixture.js';

const ajv = new Ajv2020({ strict: false, allErrors: true });
const model = ajv.compile(modelJsonSchema());
const config = ajv.compile(configJsonSchema());

/** What the library that checks the values says about its own schema. */
const describedBy = (schema: z.ZodType, title: string): object => ({
  // The same building blocks appear in many places; written out, so that each place stays readable.
  ...z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-2020-12',
    reused: 'inline',
    // Left out by the library where a value is read: what a file says is not what comes of it. These are as files have them.
    override: ({ zodSchema, jsonSchema }) => {
      const examples = z.globalRegistry.get(zodSchema)?.examples;
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  }),
  title,
});

describe('JSON Schema for editors', () => {
  // Kept as data, so that asking for it does not load that library. A wanted change: npx vitest run --project unit -u
  it('is the schema that files are checked with', async () => {
    const declared = (name: string, schema: object) => `export const ${name}: object = ${JSON.stringify(schema)};`;
    const text = [
      '/* oxlint-disable max-lines -- a table: made from config-schema.ts and model-schema.ts by json-schema.test.ts */',
      declared('configFile', describedBy(configSchema, 'Retempo configuration')),
      declared('modelFile', describedBy(modelSchema, 'Retempo model file')),
    ].join('\n\n');
    const formatted = await format(text, {
      parser: 'typescript',
      printWidth: 120,
      singleQuote: true,
      trailingComma: 'es5',
    });
    await expect(formatted).toMatchFileSnapshot('json-schema-data.ts');
  });

  it.each([modelJsonSchema, configJsonSchema])('is given anew to each caller: %o', (make) => {
    const changed = make() as { properties: { models: { title?: string }; model: { title?: string } } };
    (changed.properties.model ?? changed.properties.models).title = 'another';
    expect(make()).not.toEqual(changed);
  });

  it('takes the complete files and the simple one', () => {
    expect([model(completeModel), model.errors]).toEqual([true, null]);
    expect([config(completeConfig), config.errors]).toEqual([true, null]);
    expect([model(parse(exampleText)), model.errors]).toEqual([true, null]);
    expect(config({})).toBe(true);
    const simple = {
      model: 'late',
      data: { source: 'x.parquet', time: 'at', label: 'late' },
      train: { run: 'node train.js' },
      evaluate: { run: ['node', 'predict.js'] },
    };
    expect(model(simple)).toBe(true);
    expect(model({ ...simple, train: {} })).toBe(false);
  });

  it.each([
    ['gate.aproval', 'none'],
    ['data.label', { colum: 'late' }],
    ['data.label.arrivesAfter', 7],
    ['release.steps', [0]],
    ['release.holdback', 1],
    ['release.guardrails.errors.worseThan', 1],
    ['train.image', 'x'],
    ['train.attemptsPerPool', 'two'],
    ['task', 'ranking'],
    ['model', 'Flight Delay'],
  ])('marks %s', (path, value) => {
    expect(model(withValue(completeModel, path.split('.'), value))).toBe(false);
  });

  it.each([
    ['limits.heartbeat', 5],
    ['temporal.apiKey', 'hunter2'],
    ['metrics', { port: 99_999 }],
    ['endpoints', { 'Flight Delay': { site: 'x.y' } }],
    ['limit', {}],
  ])('marks %s in retempo.yaml', (path, value) => {
    expect(config(withValue(completeConfig, path.split('.'), value))).toBe(false);
  });
});
