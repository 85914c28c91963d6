import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { completeConfig, completeModel } from './complete.test.fixture.js';
import { configSchema } from './config-schema.js';
import { modelSchema } from './model-schema.js';
import { formatPath } from './problems.js';
import { withValue } from './project.test.fixture.js';
import { check } from './schema-problems.js';

// What the keys of both files take at the ends of what they take, and what they tell just beyond: every key refuses what is of
// a wrong kind elsewhere.

const told = (schema: z.ZodType, base: unknown, path: string, value: unknown): readonly string[] =>
  check(schema, withValue(base, path.split('.'), value)).problems.map(
    ({ path: at, message, suggestion }) =>
      `${formatPath(at)}: ${message}${suggestion === undefined ? '' : `; ${suggestion}`}`
  );
const model = (path: string, value: unknown) => told(modelSchema, completeModel, path, value);
const config = (path: string, value: unknown) => told(configSchema, completeConfig, path, value);

const oneDay = 'expected a duration of at most 1d, got';
const aSecond = 'expected a duration of at least 1s, got';
const host = 'expected host:port, such as 127.0.0.1:7233';
const pattern = 'expected a file pattern inside the project folder, such as models/*.yaml';
const secret = 'expected a reference such as secret:my-key, never the secret itself';
const variable = 'expected the name of an environment variable: letters, digits and _, not starting with a digit';
const files = 'a path or glob of Parquet or CSV files';

describe('retempo.yaml', () => {
  it.each<[path: string, values: readonly unknown[]]>([
    ['temporal.address', ['localhost:1', '[::1]:65535', 'my-host.example_x:7233', `${'h'.repeat(253)}:7233`]],
    ['temporal.namespace', ['n'.repeat(255)]],
    ['temporal.apiKey', ['secret:a', `secret:0${'._-a'.repeat(31)}abc`]],
    ['models', ['a/*.yaml', ['*.yaml'], Array.from({ length: 100 }, (_, i) => `${i}.yaml`), 'x'.repeat(256), 'a/../b']],
    ['metrics', ['none', { port: 0 }, { port: 65_535 }]],
    ['limits.heartbeat', ['1s', '24h']],
    ['limits.noWorkerAfter', ['1s', '30d']],
    ['limits.capacityAfter', ['1s', '30d']],
    ['limits.drain', ['1ms', '24h']],
    ['limits.stickyTimeout', ['1s', '24h']],
    ['limits.cachedWorkflows', [0, 100_000]],
    ['sites', [{ 'onprem.local': null }, { 'onprem.local': {}, 'onprem.e-1': 5 }]],
  ])('%s takes %o', (path, values) => {
    for (const value of values) expect(config(path, value)).toEqual([]);
  });

  it.each<[path: string, value: unknown, line: string]>([
    ['temporal.address', 'localhost', `temporal.address: ${host}, got "localhost"`],
    ['temporal.address', 'x:0', `temporal.address: ${host}, got "x:0"`],
    ['temporal.address', 'x:65536', `temporal.address: ${host}, got "x:65536"`],
    ['temporal.address', ['x:1'], `temporal.address: ${host}, got a list of 1`],
    [
      'temporal.address',
      'http://x:1',
      `temporal.address: ${host}, got "http://x:1"; write it without http:// and the like`,
    ],
    ['temporal.address', 7233, `temporal.address: ${host}, got 7233`],
    ['state', 5, 'state: expected a folder, got 5'],
    ['state', 'a*', 'state: expected a folder without wildcards, got "a*"'],
    [
      'state',
      '../up',
      'state: expected a folder inside the project folder, got "../up"; to use a place outside it, write the absolute path',
    ],
    ['artifacts', ' ', 'artifacts: expected a folder or a file: address, got " "'],
    ['artifacts', 'a?', 'artifacts: expected a folder or a file: address without wildcards, got "a?"'],
    ['temporal.apiKey', 'hunter2', `temporal.apiKey: ${secret}`],
    ['temporal.apiKey', ['secret:a'], `temporal.apiKey: ${secret}`],
    ['temporal.tls.clientKey', '-----BEGIN KEY', `temporal.tls.clientKey: ${secret}`],
    ['models', '/x', `models: ${pattern}, or a list, got "/x"`],
    ['models', '/base/x', `models: ${pattern}, or a list, got "/base/x"`],
    ['models', [['a']], `models[0]: ${pattern}, got a list of 1`],
    ['models', [' '], `models[0]: ${pattern}, got " "`],
    ['models', ['a', '../b'], `models[1]: ${pattern}, got "../b"`],
    ['models', ['a\\b'], `models[0]: ${pattern}, got "a\\\\b"`],
    ['models', ['a\nb'], `models[0]: ${pattern}, got "a\\nb"`],
    ['models', ['x'.repeat(257)], `models[0]: ${pattern}, got "${'x'.repeat(57)}"... (257 characters)`],
    ['limits.heartbeat', '999ms', `limits.heartbeat: ${aSecond} "999ms"`],
    ['limits.heartbeat', '86401s', `limits.heartbeat: ${oneDay} "86401s"`],
    ['limits.noWorkerAfter', '999ms', `limits.noWorkerAfter: ${aSecond} "999ms"`],
    ['limits.capacityAfter', '999ms', `limits.capacityAfter: ${aSecond} "999ms"`],
    ['limits.drain', '0s', 'limits.drain: expected a duration above zero, got "0s"'],
    ['limits.drain', '86401s', `limits.drain: ${oneDay} "86401s"`],
    ['limits.stickyTimeout', '999ms', `limits.stickyTimeout: ${aSecond} "999ms"`],
    ['limits.stickyTimeout', '86401s', `limits.stickyTimeout: ${oneDay} "86401s"`],
  ])('%s refuses %o', (path, value, line) => {
    expect(config(path, value)).toEqual([line]);
  });

  it.each(['onprem', 'onprem.', 'onprem.Local', '../x.y', 'a.b.c'])('%s is no name of a site', (name) => {
    const says = 'expected a site name <provider>.<name>, such as onprem.local, in lower-case letters, digits and -';
    expect(check(configSchema, { sites: { [name]: {} } }).problems).toEqual([
      { path: ['sites', name], message: `${says}, got "${name}"`, suggestion: undefined },
    ]);
  });
});

describe('a model file', () => {
  it.each<[path: string, values: readonly unknown[]]>([
    ['description', ['a\n\tb', 'x'.repeat(2_000)]],
    ['data.source', ['data/*.parquet', '/abs/../x.csv', 'file:///x.csv']],
    ['data.label', ['late', { column: 'late' }, { column: 'late', arrivesAfter: '0s' }]],
    ['data.features.include', ['all', ['a']]],
    ['data.split', [{}, { train: '1s', gap: '0d', evaluate: '1s' }]],
    ['data.validate', [[], [{ column: 'a', oneOf: ['', 0, -1.5, false] }], [{ column: 'a', type: 'time' }]]],
    ['train.at', [['a.b/0-x', `${'a'.repeat(63)}.${'b'.repeat(63)}/${'0'.repeat(63)}`]]],
    ['train.resources', [{}, { cpu: 4_096 }]],
    ['train.parameters', [{}, { a: null, b: [1, 'x', { c: true }], c: -1e308 }]],
    ['train.env', [{}, { A: '', _b1: 'x'.repeat(4_096), [`c${'C'.repeat(127)}`]: 'secret:a.b-c_d' }, { RETEMPO: 'x' }]],
    ['train.timeout', ['1s']],
    ['train.atMost', ['none', '0.01 EUR']],
    ['evaluate.timeout', ['1s']],
    ['gate.slices', ['none', { by: ['a'] }]],
    ['gate.anchor', ['none', { version: 'pinned', notWorseBy: 0 }]],
    ['gate.approval', ['none', {}, { quorum: 20, expires: '1s' }]],
    ['release.bake', ['0s']],
    ['release.holdback', ['0%', '50%']],
    ['release.guardrails', [{}, { slow: 'none' }]],
    ['release.lookEvery', ['100ms']],
    ['release.stepDeadline', ['1s']],
    ['release.totalDeadline', ['1s']],
    ['release.deployDeadline', ['1s']],
    ['release.approval', ['none', { before: '1%' }, { before: '100%' }]],
    ['release.lease', ['none', '1ms']],
    ['watch.every', ['1s']],
    ['watch.loss', ['none', {}]],
    ['retrain.on', [{}, { every: 'none' }, { every: '1s' }]],
    ['retrain.cooldown', ['0s']],
    ['retrain.atMost', [{}, { cost: 'none', per: '1s' }]],
  ])('%s takes %o', (path, values) => {
    for (const value of values) expect(model(path, value)).toEqual([]);
  });

  it.each<[path: string, value: unknown, line: string]>([
    ['description', 'a\0', 'description: expected a description without control characters, got "a\\u0000"'],
    [
      'data.source',
      { run: 'x' },
      `data.source: a source that is a program ({ run: ... }) is not supported yet in this version; expected ${files}, got a mapping`,
    ],
    ['data.source', { path: 'x' }, `data.source: expected ${files}, got a mapping`],
    ['data.source', null, `data.source: expected ${files}, got nothing (null)`],
    [
      'train.image',
      'x',
      'train.image: image is not supported yet in this version; expected run with a command, got "x"',
    ],
    [
      'train.resources.gpu',
      1,
      'train.resources.gpu: gpu is not supported yet in this version; expected cpu and memory, got 1',
    ],
    [
      'data.validate',
      [{ column: 'a', oneOf: [null] }],
      'data.validate[0].oneOf[0]: expected text, a number, true or false, got nothing (null)',
    ],
    [
      'data.validate',
      [{ column: 'a', oneOf: ['x', Infinity] }],
      'data.validate[0].oneOf[1]: expected text, a number, true or false, got Infinity',
    ],
    ['train.parameters', { a: Infinity }, 'train.parameters.a: expected a finite number, got Infinity'],
    ['train.parameters', { a: { b: [Number.NaN] } }, 'train.parameters.a: expected a finite number, got a mapping'],
    ['train.env', { '9A': 'x' }, `train.env.9A: ${variable}, got "9A"`],
    [
      'train.env',
      { RETEMPO_X: 'x' },
      `train.env.RETEMPO_X: ${variable}; names that start with RETEMPO_ are set by Retempo, got "RETEMPO_X"`,
    ],
    // What may be a secret is not repeated.
    ['train.env', { A: 5 }, 'train.env.A: expected text; put quotes around it'],
    ['train.env', { A: 'hunter2\0' }, 'train.env.A: expected text without NUL characters'],
    ['train.env', { A: 'x'.repeat(4_097) }, 'train.env.A: expected text of at most 4 096 characters'],
    ['train.env', { A: 'secret:hunter 2' }, 'train.env.A: expected secret: and a name of letters, digits, _ . and -'],
    [
      'train.at',
      ['onprem/cpu'],
      'train.at[0]: expected a pool <site>/<pool>, such as onprem.local/cpu, got "onprem/cpu"',
    ],
    ['train.at', [['a.b/c']], 'train.at[0]: expected a pool <site>/<pool>, such as onprem.local/cpu, got a list of 1'],
    ['release.to', 5, 'release.to: expected endpoint:<name>, got 5'],
    ['release.to', 'endpoint:Up', 'release.to: expected endpoint:<name>, got "endpoint:Up"'],
    [
      'release.to',
      'batch:x',
      'release.to: batch: as destination is not supported yet in this version; expected endpoint:<name>, got "batch:x"',
    ],
    [
      'task',
      'ranking',
      'task: "ranking" is not supported yet in this version; expected binary or regression, got "ranking"',
    ],
    [
      'release.strategy',
      'blueGreen',
      'release.strategy: "blueGreen" is not supported yet in this version; expected canary, got "blueGreen"',
    ],
    ['release.lookEvery', '99ms', 'release.lookEvery: expected a duration of at least 100ms, got "99ms"'],
    ['release.holdback', '51%', 'release.holdback: expected a whole percentage from 0% to 50%, got "51%"'],
    [
      'release.approval',
      { before: '0%' },
      'release.approval.before: expected a whole percentage from 1% to 100%, got "0%"',
    ],
    ['release.lease', '0s', 'release.lease: expected none, or a duration above zero, got "0s"'],
  ])('%s refuses %o', (path, value, line) => {
    expect(model(path, value)).toEqual([line]);
  });

  it.each([
    'data.split.train',
    'data.split.evaluate',
    'train.timeout',
    'evaluate.timeout',
    'gate.approval.expires',
    'release.stepDeadline',
    'release.totalDeadline',
    'release.deployDeadline',
    'release.approval.expires',
    'watch.every',
    'retrain.atMost.per',
  ])('%s is a second at least', (path) => {
    expect(model(path, '1s')).toEqual([]);
    expect(model(path, '999ms')).toEqual([`${path}: ${aSecond} "999ms"`]);
  });
});
