import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig, loadProject } from './load-project.js';
import { formatProblem } from './problems.js';
import { load, problemsIn, problemsOf } from './project.test.fixture.js';

// What is wrong between the parts of a project that are right by themselves, and which files are models at all.

const rest =
  'data: { source: /data/rows.csv, time: at, label: late }\ntrain: { run: node train.js }\nevaluate: { run: x }\n';
const named = (model: string) => `model: ${model}\n${rest}`;

const lines = async (main: string, models: Readonly<Record<string, string>> = { 'models/late.yaml': named('late') }) =>
  (await problemsOf({ 'retempo.yaml': main, ...models })).map(formatProblem);

describe('retempo.yaml', () => {
  it.each([
    ['- a\n', 'expected a mapping, got a list of 1'],
    ['5\n', 'expected a mapping, got 5'],
    ['text\n', 'expected a mapping, got "text"'],
    ['[]\n', 'expected a mapping, got an empty list'],
  ])('%j is no mapping', async (text, says) => {
    expect(await lines(text)).toEqual([`retempo.yaml:1:1  ${says}`]);
    expect(await lines('', { 'models/late.yaml': text })).toEqual([`models/late.yaml:1:1  ${says}`]);
  });

  it.each([
    [
      'sites: { onpren.east: {} }\n',
      'retempo.yaml:1:10  sites.onpren.east: no such provider in this version; did you mean "onprem"?',
    ],
    ['sites: {}\n', 'retempo.yaml:1:1  sites: expected at least one site, got an empty mapping'],
    [
      'sites: { onprem.east: {} }\nendpoints: { late: { site: onprem.eats } }\n',
      'retempo.yaml:2:22  endpoints.late.site: unknown site onprem.eats; did you mean "onprem.east"?',
    ],
    [
      'temporal: { tls: { clientCert: "secret:cert" } }\n',
      'retempo.yaml:1:13  temporal.tls: expected clientCert and clientKey together, got one of them',
    ],
    [
      'temporal: { tls: { clientKey: "secret:key" } }\n',
      'retempo.yaml:1:13  temporal.tls: expected clientCert and clientKey together, got one of them',
    ],
  ])('%j', async (text, line) => {
    expect(await lines(text)).toEqual([line]);
  });

  it('may say nothing of a site, and of endpoints without saying which sites there are', async () => {
    expect(await lines('sites: { onprem.east: }\n')).toEqual([]);
    expect(await lines('endpoints: { late: { site: onprem.local } }\n')).toEqual([]);
    expect(await lines('temporal: { tls: { clientCert: "secret:cert", clientKey: "secret:key" } }\n')).toEqual([]);
  });

  it('is refused by itself too, and where there is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'retempo-rules-'));
    try {
      await writeFile(join(folder, 'retempo.yaml'), 'sites: {}\n');
      await expect(loadConfig({ folder, providers: [] })).rejects.toMatchObject({ name: 'ConfigurationError' });
      const missing = { folder: join(folder, 'nowhere'), providers: [] };
      for (const load of [loadConfig, loadProject])
        await expect(load(missing)).rejects.toMatchObject({ name: 'ConfigurationError' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('that cannot be read is the only thing told: that there is no model would only confuse', async () => {
    expect(await lines('sites: {\n', {})).toHaveLength(1);
    expect(await lines('models: 5\n', {})).toEqual([expect.stringMatching(/ {2}models: expected/)]);
    expect(await lines('', {})).toEqual([expect.stringContaining('models: no model file matches models/*.yaml')]);
  });
});

describe('model files', () => {
  it('that are broken are told as broken, and nothing else of them', async () => {
    expect(await lines('', { 'models/late.yaml': 'model: [late\n' })).toEqual([
      expect.stringContaining('this is not valid YAML'),
    ]);
  });

  it('without a name are told to need one, not to have the same', async () => {
    expect(await lines('', { 'models/a.yaml': rest, 'models/b.yaml': rest })).toEqual([
      expect.stringMatching(/^models\/a\.yaml:1:1 {2}model: required: expected the name/),
      expect.stringMatching(/^models\/b\.yaml:1:1 {2}model: required: expected the name/),
    ]);
  });

  it('without data are told to need some', async () => {
    const text = named('late').replace(/^data.*\n/m, '');
    expect(await lines('', { 'models/late.yaml': text })).toEqual([expect.stringMatching(/ {2}data: required/)]);
  });

  it('of an endpoint that is another model by its name are told there', async () => {
    const to = `${named('first')}release: { to: "endpoint:second" }\n`;
    expect(await lines('', { 'models/a.yaml': to, 'models/b.yaml': named('second') })).toEqual([
      'models/b.yaml:1:1  model: endpoint second belongs to model first (models/a.yaml); an endpoint serves one model',
    ]);
  });

  it('are read in any order, and come by the names of their models', async () => {
    const text = Object.fromEntries(['b', 'd', 'a', 'c'].map((model, at) => [`models/${at}.yaml`, named(model)]));
    const { models } = await load({ 'retempo.yaml': '', 'train.js': 'x', ...text });
    expect(models.map(({ draft, file }) => [draft.model, file])).toEqual([
      ['a', 'models/2.yaml'],
      ['b', 'models/0.yaml'],
      ['c', 'models/3.yaml'],
      ['d', 'models/1.yaml'],
    ]);
  });

  it('have a program, which their data is no part of', async () => {
    const text = named('late').replace('/data/rows.csv', 'rows.csv');
    const files = { 'retempo.yaml': '', 'train.js': 'x', 'rows.csv': 'x', 'models/late.yaml': text };
    const { models } = await load(files);
    expect(models[0]?.codeFiles.map(({ path }) => path)).toEqual(['train.js']);
    expect(await lines('', { 'models/late.yaml': `${named('late')}code: { exclude: ["**"] }\n` })).toEqual([
      expect.stringContaining('no program file is left'),
    ]);
  });

  it('are looked for where they can be: not among state, packages and what is hidden', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'retempo-rules-'));
    try {
      for (const inner of ['deep', 'state', 'node_modules/x', 'deep/node_modules', '.hidden', 'deep/.git']) {
        await mkdir(join(folder, inner), { recursive: true });
        await writeFile(join(folder, inner, 'late.yaml'), inner === 'deep' ? named('late') : 'broken: {');
      }
      await writeFile(join(folder, 'train.js'), 'x');
      await writeFile(join(folder, 'retempo.yaml'), 'models: "**/*.yaml"\nstate: state\n');
      expect((await problemsIn(folder)).map(formatProblem)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('what a model file leaves out', () => {
  const draftOf = async (text: string) => {
    const { models } = await load({ 'retempo.yaml': '', 'train.js': 'x', 'models/late.yaml': text });
    return models[0]?.draft;
  };

  it('is what "none" says, where none is what it is by itself', async () => {
    const none = `${named('late').replace('train: {', 'train: { atMost: none,')}gate: { slices: none, anchor: none, approval: none }
release: { guardrails: { slow: none }, approval: none }
retrain: { on: { every: none }, atMost: { cost: none } }
`;
    expect(await draftOf(none)).toEqual(await draftOf(named('late')));
  });

  it('is another thing where it is not', async () => {
    const draft = await draftOf(`${named('late')}description: why
release: { lease: none, approval: {} }
watch: { loss: none }
gate: { approval: {}, slices: { by: [carrier] }, anchor: { version: pinned, notWorseBy: 0.01 } }
`);
    expect(draft).toMatchObject({
      description: 'why',
      release: { leaseMs: null, approval: { quorum: 1, from: [], expiresMs: 172_800_000, beforePercent: 99 } },
      gate: {
        approval: { quorum: 1, from: [] },
        slices: { by: ['carrier'], minRows: 500 },
        anchor: { version: 'pinned' },
      },
      watch: { loss: null },
    });
    expect(draft?.gate.approval).not.toHaveProperty('beforePercent');
  });

  it('follows from the task, and the clip of a loss from its metric', async () => {
    const text = named('late').replace('model: late', 'model: late\ntask: regression');
    const draft = await draftOf(text);
    expect(draft?.evaluate.predictions).toEqual({ key: 'id', value: 'prediction' });
    expect(draft?.watch.loss).toBeNull();
    expect((await draftOf(named('late')))?.evaluate.predictions).toEqual({ key: 'id', probability: 'probability' });
    const clipOf = async (loss: string) => (await draftOf(`${named('late')}watch: { loss: ${loss} }\n`))?.watch.loss;
    expect(await clipOf('{ metric: brier }')).toMatchObject({ metric: 'brier', clip: 1 });
    expect(await clipOf('{ metric: logLoss }')).toMatchObject({ metric: 'logLoss', clip: 4.6 });
    expect(await clipOf('{ metric: brier, clip: 0.5 }')).toMatchObject({ clip: 0.5 });
  });
});
