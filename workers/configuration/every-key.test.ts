import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { completeConfig, completeModel } from './complete.test.fixture.js';
import { configJsonSchema, modelJsonSchema } from './json-schema.js';
import { formatPath } from './problems.js';
import { problemsIn, problemsOf, withValue } from './project.test.fixture.js';

// Every key of both files is given a value of every wrong kind. A key that is added to a schema without a line here fails
// the completeness check at the end.

const long = 'x'.repeat(100_000);
const notText = [5, true, null, ['x'], { x: 1 }, '', '   ', 'nul\0', long];
const notName = [...notText, 'Größe', 'UPPER', '9lives', 'with space', '../up', '🛫', 'a'.repeat(64)];
const notNumber = ['two', '5', null, true, [1], { x: 1 }, Number.NaN, Infinity, -Infinity];
const notWhole = [...notNumber, 0.5, -1, 1e300];
const notList = ['x', 5, null, true, { x: 1 }];
const notDuration = [7, '7', '7 days', '7w', 'd', '-7d', '1e9d', '99999d', '٣d', null, true, ['7d'], { d: 7 }, long];
const notFraction = ['5', '101%', '-1%', 5, -0.1, 'one', Number.NaN, null, true, ['1%'], { x: 1 }, '1％', long];
const notPercent = [1, '1.5%', '1', '-1%', '101%', null, true, ['1%'], { x: 1 }, long];
const notRatio = [1, '1', 'x', '0x', '-1x', '1×', '1001x', null, true, ['1x'], { x: 1 }, long];
const notMoney = [20, '20', 'USD 20', '20 usd', '0 USD', '-1 USD', '20  USD', '20 €', null, true, ['x'], long];
const notYesNo = ['yes', 'on', 1, 0, null, [true], { x: 1 }];
const notPattern = [...notText, '/etc/**', '../**', 'a/../../b', 'a\\b'];
const notPath = [5, true, null, ['x'], {}, '', 'nul\0', long, '../up', 'a/../../b', 'file://host/x', 'file:relative'];
const notSecret = ['hunter2', 5, null, true, ['x'], { x: 1 }, 'secret:', 'secret:a b', 'secret:../x', long];
const notCommand = [
  5,
  true,
  null,
  {},
  [],
  '',
  '   ',
  [''],
  ['node', 5],
  'a | b',
  'a && b',
  'a > b',
  'a $B',
  'a `b`',
  'a; b',
  'X=1 node',
  '"open',
  'a\nb',
  `a ${long}`,
  ['a\0b'],
] as const;

/** Bad values by path; `[]` in a path is the first item of a list. */
const badModel: Readonly<Record<string, readonly unknown[]>> = {
  model: notName,
  description: [5, true, null, ['x'], { x: 1 }, '', 'nul\0', long],
  task: ['binnary', 'ranking', 'generation', 5, null, ['binary']],
  'data.source': [
    ...notPath,
    's3://bucket/x',
    'gs://b/x',
    'az://c/x',
    'https://h/x',
    'ftp://h/x',
    { run: 'node x.js' },
  ],
  'data.time': notText,
  'data.key': notText,
  'data.unit': notText,
  'data.label.column': notText,
  'data.label.arrivesAfter': notDuration,
  'data.features.include': ['some', 5, null, true, [], [5], { x: 1 }],
  'data.features.except': [...notList, [5], ['']],
  'data.features.important': [...notList, [5], ['']],
  'data.split.train': [...notDuration, '0d', '999ms'],
  'data.split.gap': notDuration,
  'data.split.evaluate': [...notDuration, '0d', '999ms'],
  'data.validate': notList,
  'data.validate[].column': notText,
  'data.validate[].type': ['integer', 5, null],
  'data.validate[].min': notNumber,
  'data.validate[].max': notNumber,
  'data.validate[].missingAtMost': notFraction,
  'data.validate[].oneOf': [...notList, [], [null], [{ x: 1 }], [Number.NaN]],
  'train.run': notCommand,
  'train.image': ['repo/trainer@sha256:00', 5, null],
  'train.at': [
    ...notList,
    [],
    ['onprem.local'],
    ['onprem/cpu'],
    ['../x/y'],
    [5],
    ['onprem.local/GPU'],
    ['onprem.locl/cpu'],
  ],
  'train.resources.cpu': [...notNumber, 0, -1, 1e9],
  'train.resources.memory': [4, '4', '4 gigabytes', '-1Gi', '0Gi', '9999999Ti', null, true, ['4Gi'], long],
  'train.resources.gpu': [{ kind: 'h100', count: 8 }, 1, null],
  'train.parameters': ['x', 5, null, ['x'], { rate: Infinity }, { rate: { deep: [Number.NaN] } }],
  'train.env': [
    'x',
    5,
    null,
    ['x'],
    { 'a b': 'x' },
    { A: 5 },
    { A: true },
    { A: long },
    { RETEMPO_INPUT: 'x' },
    { TOKEN: 'plain' },
    { dbPassword: 'plain' },
    { API_KEY: 'plain' },
    { A: 'secret:a b' },
  ],
  'train.timeout': [...notDuration, '0s', '999ms'],
  'train.atMost': notMoney,
  'train.attemptsPerPool': [...notWhole, 0, 101],
  'evaluate.run': notCommand,
  'evaluate.image': ['repo/predictor@sha256:00'],
  'evaluate.predictions.key': notText,
  'evaluate.predictions.probability': [...notText, 'flightId'],
  'evaluate.predictions.value': [...notText, 'flightId'],
  'evaluate.timeout': [...notDuration, '0s', '999ms'],
  'code.include': [...notList, ...notPattern.map((pattern) => [pattern])],
  'code.exclude': [...notList, ...notPattern.map((pattern) => [pattern])],
  'gate.metrics': [
    'x',
    5,
    null,
    [],
    {},
    { logloss: { atMost: 1 } },
    { logLoss: {} },
    { logLoss: 5 },
    { rmse: { atMost: 1 } },
    { '': { atMost: 1 } },
    { logLoss: { atMost: 1, about: 2 } },
  ],
  'gate.metrics.logLoss.atMost': [...notNumber, -1],
  'gate.metrics.auc.atLeast': [...notNumber, 1.5],
  'gate.metrics.logLoss.notWorseBy': [...notNumber, -0.1],
  'gate.metrics.logLoss.worstRow': [...notNumber, 0],
  'gate.metrics.auc.worstRow': [1],
  'gate.metrics.auc.betterBy': [...notNumber, 0, -0.1],
  'gate.minRows': [...notWhole, 0],
  'gate.confidence': [...notFraction, '20%', 1],
  'gate.slices.by': [...notList, [], [5], ['']],
  'gate.slices.minRows': [...notWhole, 0],
  'gate.anchor.version': [...notText, 'latest', 'v1'],
  'gate.anchor.notWorseBy': [...notNumber, -0.1],
  'gate.approval.quorum': [...notWhole, 0, 21],
  'gate.approval.from': [...notList, [5], [''], ['a', 'a']],
  'gate.approval.expires': [...notDuration, '0h', '999ms'],
  'release.to': [
    5,
    null,
    true,
    ['x'],
    {},
    '',
    'flight-delay',
    'endpoint:',
    'endpoint:Up',
    'endpoint:../x',
    'batch:s3://b/x',
    'endpoint:flight-dely',
    long,
  ],
  'release.strategy': ['canery', 'blueGreen', 'shadow', 'abTest', 5, null],
  'release.steps': [...notList, [], [0], [100], [1.5], ['5%'], [5, 5], [25, 5], [null]],
  'release.holdback': [...notPercent, '51%'],
  'release.bake': [...notDuration, '7d'],
  'release.guardrails.errors.worseThan': [...notRatio, '3x'],
  'release.guardrails.errors.safeBelow': [...notRatio, '1x'],
  'release.guardrails.errors.ignoreBelow': notFraction,
  'release.guardrails.errors.overdispersion': [...notNumber, 0.5, 1_001],
  'release.guardrails.slow.over': [...notDuration, '0ms'],
  'release.guardrails.slow.worseThan': [...notRatio, '3x'],
  'release.guardrails.slow.safeBelow': [...notRatio, '0.5x'],
  'release.guardrails.slow.ignoreBelow': notFraction,
  'release.guardrails.slow.overdispersion': [...notNumber, 0.5, 1_001],
  'release.alpha': [...notFraction, 0, '60%'],
  'release.lookEvery': [...notDuration, '0s', '99ms', '2d', '9m'],
  'release.stepDeadline': [...notDuration, '0s', '999ms', '8d'],
  'release.totalDeadline': [...notDuration, '0s', '999ms', '1h'],
  'release.deployDeadline': [...notDuration, '0s', '999ms'],
  'release.onInconclusive': ['promote', 5, null],
  'release.approval.before': [...notPercent, '0%'],
  'release.approval.quorum': [...notWhole, 0],
  'release.approval.from': [...notList, [5]],
  'release.approval.expires': [...notDuration, '0h', '999ms'],
  'release.lease': [...notDuration, '0s', '90s', 'never'],
  // A Temporal Schedule has no shorter interval than a second.
  'watch.every': [...notDuration, '0d', '999ms'],
  'watch.compare': [...notList, [], ['last'], ['sameSlot'], ['training', 'training'], [5]],
  'watch.minRows': [...notWhole, 0],
  'watch.loss.metric': ['rmse', 5, null],
  'watch.loss.tolerate': [...notNumber, 0, -1, 5],
  'watch.loss.clip': [...notNumber, 0, -1, 0.01],
  'watch.loss.falseAlarmEvery': [365, '365', '0 windows', '1.5 windows', '-1 windows', null, true, ['x'], long],
  'retrain.on.drift': notYesNo,
  'retrain.on.every': [...notDuration, '0d', '999ms'],
  'retrain.on.events': [...notList, [5], [''], [long]],
  'retrain.cooldown': notDuration,
  'retrain.atMost.runs': [...notWhole, 0],
  'retrain.atMost.cost': [...notMoney, '100 EUR', '1 USD'],
  'retrain.atMost.per': [...notDuration, '0d', '999ms'],
  'retrain.breakerAfter': [...notWhole, 0],
  'retrain.minGain': [...notNumber, -0.1],
};

const badConfig: Readonly<Record<string, readonly unknown[]>> = {
  state: notPath,
  'temporal.address': [7233, null, true, ['x'], '', 'localhost', 'http://x:1', 'x:0', 'x:99999', 'x y:1', '🛫:1', long],
  'temporal.namespace': notText,
  'temporal.apiKey': notSecret,
  'temporal.tls.serverName': notText,
  'temporal.tls.serverCa': notSecret,
  'temporal.tls.clientCert': notSecret,
  'temporal.tls.clientKey': notSecret,
  artifacts: [...notPath, 's3://bucket/x', 'gs://b/x', 'az://c/x', 'ftp://h/x', 'file:///a%2f..%2fb'],
  owner: notName,
  sites: [
    'x',
    5,
    null,
    [],
    {},
    { onprem: {} },
    { 'aws.eu': {} },
    { 'onprm.local': {} },
    { '../x.y': {} },
    { 'onprem.local': { pools: { cpu: { slots: 'two' } } } },
  ],
  endpoints: ['x', 5, null, [], { 'Flight Delay': { site: 'onprem.local' } }, { x: {} }],
  'endpoints.flight-delay.site': [...notText, 'onprem.locl'],
  models: [5, null, true, {}, [], [5], ...notPattern.map((pattern) => [pattern]), 'nothing/*.yaml'],
  'code.include': [...notList, ...notPattern.map((pattern) => [pattern])],
  'code.exclude': [...notList, ...notPattern.map((pattern) => [pattern])],
  metrics: ['on', 5, null, [], { prt: 9464 }],
  'metrics.port': [...notWhole, 65_536],
  'limits.heartbeat': [...notDuration, '0s', '999ms', '25h'],
  'limits.noWorkerAfter': [...notDuration, '0s', '999ms'],
  'limits.capacityAfter': [...notDuration, '0s', '999ms'],
  'limits.drain': [...notDuration, '0s', '25h'],
  'limits.stickyTimeout': [...notDuration, '0s', '999ms', '25h'],
  'limits.cachedWorkflows': notWhole,
};

const pathOf = (text: string): readonly (string | number)[] =>
  text.split('.').flatMap((part) => (part.endsWith('[]') ? [part.slice(0, -2), 0] : [part]));

const base = { model: completeModel, config: completeConfig };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-every-key-'));
  await mkdir(join(folder, 'models'));
  await writeFile(join(folder, 'train.js'), 'x');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function problemsWith(file: 'model' | 'config', path: string, value: unknown) {
  // One folder for all cases: a new one for each of the 1 500 values would take most of the time.
  const changed = { ...base, [file]: withValue(base[file], pathOf(path), value) };
  await writeFile(join(folder, 'retempo.yaml'), stringify(changed.config));
  await writeFile(join(folder, 'models', 'flight-delay.yaml'), stringify(changed.model));
  return problemsIn(folder);
}

it('takes both files with every key as they are', async () => {
  expect(await problemsOf({ 'retempo.yaml': completeConfig, 'models/flight-delay.yaml': completeModel })).toEqual([]);
});

const cases = [
  ...Object.entries(badModel).map(([path, values]) => ['model', path, values] as const),
  ...Object.entries(badConfig).map(([path, values]) => ['config', path, values] as const),
];

describe.each(cases)('%s: %s', (file, path, values) => {
  it('refuses every wrong value in one clear sentence at its place', async () => {
    const name = file === 'model' ? 'models/flight-delay.yaml' : 'retempo.yaml';
    const top = formatPath(pathOf(path)).split(/[.[]/)[0] ?? '';
    for (const value of values) {
      const shown = `${path} = ${JSON.stringify(value).slice(0, 80)}`;
      const problems = await problemsWith(file, path, value);
      expect(problems.length, `${shown} was taken`).toBeGreaterThan(0);
      // A cross check may speak where the other half stands, but always in the same section.
      const here = problems.filter((one) => one.file === name && one.path.split(/[.[]/)[0] === top);
      expect(here.length, `${shown} told elsewhere: ${JSON.stringify(problems)}`).toBeGreaterThan(0);
      for (const { line, column, message, suggestion } of problems) {
        expect(line, shown).toBeGreaterThan(0);
        expect(column, shown).toBeGreaterThan(0);
        expect(message.length + (suggestion ?? '').length, `${shown}: ${message}`).toBeLessThan(420);
        expect(`${message} ${suggestion}`, shown).not.toMatch(/undefined|\[object|Invalid input|ZodError/);
      }
    }
  });

  it('refuses a neighbour that it does not know, with a suggestion', async () => {
    const at = pathOf(path).slice(0, -1);
    const wrong = `${String(pathOf(path).at(-1))}z`;
    // In open mappings every name is a legal one.
    if (['gate.metrics', 'endpoints', 'sites'].includes(formatPath(at)) || typeof pathOf(path).at(-1) === 'number')
      return;
    const problems = await problemsWith(file, formatPath([...at, wrong]).replace('[0]', '[]'), 'x');
    const expected = formatPath([...at, wrong]);
    const told = problems.find((one) => one.path === expected);
    expect(told?.message, JSON.stringify(problems)).toBe('unknown key');
    expect(told?.suggestion).toContain(String(pathOf(path).at(-1)));
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
}

interface Keys {
  /** Paths of all keys that are not mappings of known keys themselves; `*` stands for a name of the user's choice. */
  readonly leaves: readonly string[];
  /** Paths of all keys that can be a mapping of known keys. */
  readonly sections: readonly string[];
}

/** Every key that a schema knows, in whichever of its forms. */
function keysOf(schema: Schema, path = ''): Keys {
  const forms = [schema, ...(schema.anyOf ?? [])];
  const inner = forms.flatMap((form) => [
    ...Object.entries(form.properties ?? {}).map(([key, one]) => keysOf(one, path === '' ? key : `${path}.${key}`)),
    ...(typeof form.additionalProperties === 'object' && isSection(form.additionalProperties)
      ? [keysOf(form.additionalProperties, `${path}.*`)]
      : []),
    ...(form.items !== undefined && isSection(form.items) ? [keysOf(form.items, `${path}[]`)] : []),
  ]);
  const own = forms.some(({ properties }) => properties !== undefined) && path !== '' ? [path] : [];
  return {
    leaves: [...(own.length > 0 || path === '' ? [] : [path]), ...inner.flatMap(({ leaves }) => leaves)],
    sections: [...own, ...inner.flatMap(({ sections }) => sections)],
  };
}

const isSection = (schema: Schema): boolean =>
  [schema, ...(schema.anyOf ?? [])].some(({ properties }) => properties !== undefined);

const modelKeys = keysOf(modelJsonSchema());
const configKeys = keysOf(configJsonSchema());

/** A path with a name that the complete files have in the place of every `*`. */
const named = (path: string): string =>
  path.replace('gate.metrics.*', 'gate.metrics.logLoss').replace('*', 'flight-delay');

it('covers every key of the schemas', () => {
  const covered = (cases: object) => (path: string) => {
    const wanted = new RegExp(`^${path.replaceAll(/[.[\]]/g, '\\$&').replaceAll('*', '[^.]+')}$`);
    return Object.keys(cases).some((one) => wanted.test(one));
  };
  expect(modelKeys.leaves.length).toBeGreaterThan(80);
  expect(configKeys.leaves.length).toBeGreaterThan(15);
  // Keys under names of the user's choice are keys too.
  expect(modelKeys.leaves).toContain('gate.metrics.*.notWorseBy');
  expect(configKeys.leaves).toContain('endpoints.*.site');
  expect(modelKeys.leaves.filter((path) => !covered(badModel)(path))).toEqual([]);
  expect(configKeys.leaves.filter((path) => !covered(badConfig)(path))).toEqual([]);
});

describe.each([
  ['model' as const, modelKeys],
  ['config' as const, configKeys],
])('whatever is in the table: the %s file', (file, keys) => {
  const taken: string[] = [];
  const tryAll = async (paths: readonly string[], values: readonly unknown[]) => {
    taken.length = 0;
    for (const path of paths) {
      for (const value of values) {
        const problems = await problemsWith(file, named(path), value);
        if (problems.length === 0) taken.push(`${path} = ${JSON.stringify(value).slice(0, 40)}`);
        for (const { message } of problems) expect(message.length, `${path}: ${message}`).toBeLessThan(420);
      }
    }
    return taken;
  };

  it('every mapping of known keys refuses everything else', async () => {
    expect(await tryAll(keys.sections, [5, true, null, [['x']], 'nul\0', long, { nothingLikeIt: 1 }])).toEqual([]);
  });

  it('every other key refuses nothing, lists of lists, control characters and what is huge', async () => {
    expect(await tryAll(keys.leaves, [null, [[['x']]], 'nul\0', long])).toEqual([]);
  });
});

it('describes every key in the README', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const keys = [...modelKeys.leaves, ...configKeys.leaves].map((key) => key.replace('*', '<name>'));
  // The forms of a metric stand in the line of all metrics.
  const own = keys.filter((key) => !/^gate\.metrics\.<name>|^endpoints$/.test(key));
  expect(own.filter((key) => !readme.includes(`\`${key}\``))).toEqual([]);
});
