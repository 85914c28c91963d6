import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { completeConfig, completeModel } from './complete.test.fixture.js';
import { parse } from 'yaml';
import { exampleText } from './example.test.fixture.js';
import { configJsonSchema, modelJsonSchema } from './json-schema.js';
import { withValue } from './project.test.fixture.js';

const ajv = new Ajv2020({ strict: false, allErrors: true });
const model = ajv.compile(modelJsonSchema());
const config = ajv.compile(configJsonSchema());

describe('JSON Schema for editors', () => {
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
