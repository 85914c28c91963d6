import { describe, expect, it } from 'vitest';
import { completeConfig, completeModel } from './complete.test.fixture.js';
import { exampleText } from './example.test.fixture.js';
import { ConfigurationError, formatProblem } from './problems.js';
import { load, problemsOf, withValue } from './project.test.fixture.js';

/** The simple case of the README: only what is required. */
const simple = `model: late
data: { source: data/rows.parquet, time: at, label: late }
train: { run: node train.js }
evaluate: { run: node predict.js }
`;

const lines = async (files: Readonly<Record<string, unknown>>): Promise<readonly string[]> =>
  (await problemsOf(files)).map(formatProblem);

const modelLines = (text: string): Promise<readonly string[]> =>
  lines({ 'retempo.yaml': 'models: models/*.yaml\n', 'models/late.yaml': text });

describe('sites that do not go together', () => {
  const sites = (text: string) => lines({ 'retempo.yaml': text, 'models/late.yaml': simple });

  it('an endpoint that two sites list', async () => {
    expect(
      await sites('sites:\n  onprem.east: { endpoints: { late: {} } }\n  onprem.west: { endpoints: { late: {} } }\n')
    ).toEqual([
      'retempo.yaml:3:31  sites.onprem.west.endpoints.late: onprem.east lists this endpoint too, and one site serves it; keep it at one of them',
    ]);
  });

  it('an endpoint that is said to be served elsewhere than where it is listed', async () => {
    const text =
      'sites:\n  onprem.east: { endpoints: { late: {} } }\n  onprem.west: {}\nendpoints: { late: { site: onprem.west } }\n';
    expect(await sites(text)).toEqual([
      'retempo.yaml:2:31  sites.onprem.east.endpoints.late: endpoints.late.site says that onprem.west serves it; move it to onprem.west, or correct endpoints.late.site',
    ]);
    expect(await sites(text.replace('site: onprem.west', 'site: onprem.east'))).toEqual([]);
  });

  it('an endpoint that no model is released to, wherever it is named', async () => {
    const site = 'sites:\n  onprem.east: { endpoints: { lat: { dataPort: 8500 } } }\n';
    const endpoints = 'endpoints:\n  late: { site: onprem.east }\n  other: { site: onprem.east }\n';
    expect(await sites(site + endpoints)).toEqual([
      'retempo.yaml:5:3  endpoints.other: no model is released to endpoint other; known: late',
      'retempo.yaml:2:31  sites.onprem.east.endpoints.lat: no model is released to endpoint lat; did you mean "late"?',
    ]);
    expect(
      await lines({ 'retempo.yaml': site, 'models/late.yaml': `${simple}release: { to: 'endpoint:lat' }\n` })
    ).toEqual([]);
  });
});

describe('loadProject', () => {
  it('fills every default of the simple case in', async () => {
    const { config, models } = await load({ 'retempo.yaml': '', 'models/late.yaml': simple, 'train.js': 'x' });
    expect(config).toMatchObject({ sites: { 'onprem.local': {} }, metricsPort: null, owner: 'retempo' });
    expect(config.limits).toEqual({
      heartbeatMs: 75_000,
      noWorkerAfterMs: 120_000,
      capacityAfterMs: 900_000,
      drainMs: 30_000,
      stickyTimeoutMs: 10_000,
      cachedWorkflows: 1_000,
    });
    expect(config.stateFolder).toBe(`${config.folder}/.retempo`);
    expect(config.artifacts).toBe(`file://${config.folder}/.retempo/artifacts/`);
    const day = 86_400_000;
    expect(models.map(({ draft }) => draft)).toEqual([
      {
        v: 1,
        model: 'late',
        task: 'binary',
        data: {
          source: `${config.folder}/data/rows.parquet`,
          time: 'at',
          key: 'id',
          unit: 'id',
          label: { column: 'late', arrivesAfterMs: 0 },
          features: { include: 'all', except: [], important: [] },
          split: { trainMs: 28 * day, gapMs: 0, evaluateMs: 7 * day },
          validate: [],
        },
        train: {
          run: ['node', 'train.js'],
          at: ['onprem.local/cpu'],
          resources: {},
          parameters: {},
          env: {},
          timeoutMs: 3_600_000,
          atMost: null,
          attemptsPerPool: 3,
        },
        evaluate: {
          run: ['node', 'predict.js'],
          predictions: { key: 'id', probability: 'probability' },
          timeoutMs: 1_800_000,
        },
        gate: {
          metrics: { logLoss: { notWorseBy: 0.005 } },
          minRows: 1_000,
          confidence: 0.95,
          slices: null,
          anchor: null,
          approval: null,
        },
        release: {
          endpoint: 'late',
          site: 'onprem.local',
          strategy: 'canary',
          steps: [5, 25, 50],
          holdbackPercent: 1,
          bakeMs: day,
          guardrails: { errors: { worseThan: 1, safeBelow: 2, ignoreBelow: 0.01, overdispersion: 1 }, slow: null },
          alpha: 0.05,
          lookEveryMs: 60_000,
          stepDeadlineMs: day,
          totalDeadlineMs: 7 * day,
          deployDeadlineMs: 600_000,
          onInconclusive: 'hold',
          approval: null,
          leaseMs: 600_000,
        },
        watch: {
          everyMs: 7 * day,
          compare: ['training'],
          minRows: 500,
          loss: { metric: 'logLoss', tolerate: 0.02, clip: 4.6, falseAlarmEveryWindows: 365 },
        },
        retrain: {
          on: { drift: true, everyMs: null, events: [] },
          cooldownMs: 7 * day,
          atMost: { runs: 8, cost: null, perMs: 30 * day },
          breakerAfter: 3,
          minGain: 0,
        },
      },
    ]);
  });

  it('takes the example as a person writes it, and the same example for another site', async () => {
    const config = { sites: { 'onprem.local': { pools: { cpu: { slots: 2 } } } } };
    const { models } = await load({ 'retempo.yaml': config, 'models/f.yaml': exampleText, 'train.js': 'x' });
    expect(models[0]?.draft).toMatchObject({
      data: { label: { column: 'late', arrivesAfterMs: 604_800_000 }, validate: [{ missingAtMost: 0.01 }] },
      train: { run: ['node', 'train.js'], env: { TOKEN: 'secret:warehouse-token' } },
      release: { endpoint: 'flight-delay', site: 'onprem.local', steps: [5, 25, 50], approval: null },
      retrain: { on: { everyMs: 2_592_000_000, events: ['fares-loaded'] } },
    });
    expect(models[0]?.codeFiles.map(({ path }) => path)).toEqual(['train.js']);
    const elsewhere = { sites: { 'onprem.east': { pools: { cpu: { slots: 2 } } } } };
    expect(await lines({ 'retempo.yaml': elsewhere, 'models/f.yaml': exampleText })).toEqual([
      'models/f.yaml:19:8  train.at[0]: unknown site onprem.local; known: onprem.east',
    ]);
  });

  it('reads every key of the complete example', async () => {
    const files = { 'retempo.yaml': completeConfig, 'models/flight-delay.yaml': completeModel, 'train.js': 'x' };
    const { config, models } = await load(files);
    expect(config).toMatchObject({
      temporal: { apiKey: 'secret:temporal', tls: { clientKey: 'secret:pem' } },
      artifacts: 'file:///srv/retempo/artifacts/',
      metricsPort: 9464,
      limits: { heartbeatMs: 5_000, noWorkerAfterMs: 30_000, cachedWorkflows: 500 },
    });
    expect(models[0]?.draft).toMatchObject({
      train: { resources: { cpu: 2, memoryBytes: 4 * 2 ** 30 }, atMost: { amount: 20, currency: 'USD' } },
      gate: { approval: { quorum: 2, from: ['ml-leads'], expiresMs: 172_800_000 } },
      release: {
        holdbackPercent: 1,
        guardrails: { slow: { overMs: 50, worseThan: 1, safeBelow: 1.5, ignoreBelow: 0.02, overdispersion: 2 } },
        // Before it gets 100 %: 99 % is the most without.
        approval: { beforePercent: 99, quorum: 1 },
      },
      watch: { loss: { falseAlarmEveryWindows: 365 } },
      retrain: { atMost: { runs: 8, cost: 100 } },
    });
  });

  it('tells all problems of all files at once, each with its line and column', async () => {
    const config = [
      'sites:',
      '  onprem.local:',
      '    pools:',
      '      cpu:',
      '        slots: two',
      'limit: {}',
      '',
    ].join('\n');
    const model = `model: Flight Delay
data:
  source: data/x.parquet
  time: at
  label: { column: late, arrivesAfter: 7 }
train:
  run: node train.js | tee log
  env: { API_KEY: hunter2hunter2 }
evaluate: { run: node predict.js }
gate:
  aproval: none
  metrics: { auc: { atMost: 0.6 } }
release:
  steps: [5, 25, 20]
`;
    expect(await lines({ 'retempo.yaml': config, 'models/a.yaml': model })).toEqual([
      'retempo.yaml:6:1  limit: unknown key; did you mean "limits"?',
      'retempo.yaml:5:9  sites.onprem.local.pools.cpu.slots: expected a whole number >= 1, got "two"',
      'models/a.yaml:1:1  model: expected the name of the model: lower-case letters, digits and -, starting with a letter, ' +
        'at most 63 characters, got "Flight Delay"; write flight-delay',
      'models/a.yaml:5:26  data.label.arrivesAfter: expected a duration such as 30s, 10m, 24h or 7d, got 7; ' +
        'write the unit: 7s, 7m, 7h or 7d',
      'models/a.yaml:7:3  train.run: expected a program and its arguments; there is no shell, so "|" (pipes) would not work, ' +
        'got "node train.js | tee log"; quote it to pass it on as it is, or put the line into a script and run that',
      'models/a.yaml:11:3  gate.aproval: unknown key; did you mean "approval"?',
      'models/a.yaml:14:18  release.steps[2]: expected more than the step before (25), got 20',
    ]);
  });

  it.each([
    ['an unknown pool', 'train.at', ['onprem.local/gpu'], 'site onprem.local has no pool gpu; did you mean "cpu"?'],
    ['an unknown site', 'train.at', ['onprem.locl/cpu'], 'unknown site onprem.locl; did you mean "onprem.local"?'],
    [
      'an unknown endpoint',
      'release.to',
      'endpoint:flight-dely',
      'is not in retempo.yaml; did you mean "flight-delay"?',
    ],
    [
      'an unknown metric',
      'gate.metrics',
      { logloss: { atMost: 1 } },
      'unknown metric for task binary; did you mean "logLoss"?',
    ],
    [
      'a metric of another task',
      'gate.metrics',
      { rmse: { atMost: 1 } },
      'unknown metric for task binary; known: logLoss',
    ],
    ['a wrong direction', 'gate.metrics', { auc: { atMost: 0.5 } }, 'for auc higher is better; write atLeast'],
    ['slices without a metric to slice', 'gate.metrics', { auc: { atLeast: 0.5 } }, 'compares row by row'],
    ['a gate without checks', 'gate.metrics', {}, 'a gate without checks would pass everything'],
    [
      'guardrail limits that leave nothing between',
      'release.guardrails',
      { errors: { worseThan: '2x' } },
      'expected safeBelow above worseThan',
    ],
    [
      'an approval that would come after the traffic',
      'release.approval',
      { before: '5%' },
      'expected more than the first step (5%), got 5%: before any traffic people are asked by gate.approval',
    ],
    ['a later source', 'data.source', 's3://bucket/rows', 's3://... is not supported yet in this version'],
    [
      'a program as source',
      'data.source',
      { run: 'node build.js' },
      '({ run: ... }) is not supported yet in this version',
    ],
    [
      'a later destination',
      'release.to',
      'batch:s3://b/x',
      'batch: as destination is not supported yet in this version',
    ],
    [
      'a later task',
      'task',
      'ranking',
      '"ranking" is not supported yet in this version; expected binary or regression',
    ],
    ['a later strategy', 'release.strategy', 'shadow', '"shadow" is not supported yet in this version'],
    [
      'accelerators',
      'train.resources',
      { gpu: { kind: 'h100', count: 8 } },
      'gpu is not supported yet in this version',
    ],
  ])('explains %s', async (_title, path, value, message) => {
    const model = withValue(completeModel, path.split('.'), value);
    const config = withValue(completeConfig, ['artifacts'], 'store');
    const told = await lines({ 'retempo.yaml': config, 'models/flight-delay.yaml': model });
    expect(told.join('\n')).toContain(message);
    expect(told).toHaveLength(1);
  });

  it('refuses a bake that the total deadline does not leave time for, at the key that is written', async () => {
    const released = (release: string) => modelLines(`${simple}release: { ${release} }\n`);
    const why = "that runs from the canary's start, so it would be rolled back before its bake is over";
    const how = 'write a shorter bake, a longer totalDeadline, or holdback: 0%';
    expect(await released('bake: 36h, totalDeadline: 36h')).toEqual([
      `models/late.yaml:5:12  release.bake: expected a bake (36h) shorter than totalDeadline (36h): ${why}; ${how}`,
    ]);
    // Against the default, each way.
    expect(await released('bake: 8d')).toEqual([expect.stringMatching(/release\.bake: .*\(8d\).*\(7d\)/)]);
    expect(await released('totalDeadline: 1d')).toEqual([
      `models/late.yaml:5:12  release.totalDeadline: expected a bake (1d) shorter than totalDeadline (1d): ${why}; ${how}`,
    ]);
    expect(await released('bake: 35h, totalDeadline: 36h')).toEqual([]);
    // Nothing bakes without a holdback.
    expect(await released('totalDeadline: 1d, holdback: 0%')).toEqual([]);
  });

  it('says once that an image is not supported yet', async () => {
    expect(await modelLines(simple.replace('run: node train.js', 'image: repo/trainer@sha256:00'))).toEqual([
      'models/late.yaml:3:10  train.image: image is not supported yet in this version; expected run with a command, ' +
        'got "repo/trainer@sha256:00"',
    ]);
  });

  it('never repeats what may be a secret', async () => {
    const token = `ghp_${'a1B2'.repeat(9)}`;
    const told = await modelLines(
      simple
        .replace(
          'node train.js }',
          'node train.js, env: { DB_PASSWORD: hunter2, RETEMPO_INPUT: hunter2, OTHER: 5 }, parameters: { a: x } }'
        )
        .replace('parameters: { a: x }', `parameters: { a: ${token}, url: "postgres://me:hunter2@db/x" }`)
    );
    expect(told.join('\n')).not.toMatch(/hunter2|ghp_/);
    expect(told).toHaveLength(4);
    expect(told.join('\n')).toContain(
      'this looks like a GitHub token; store it outside this file and write secret:<name>'
    );
    expect(told.join('\n')).toContain('this looks like a password in an address');
  });

  it('demands references for names that sound secret, and leaves others alone', async () => {
    const env = 'env: { API_KEY: x, dbPassword: x, KEYBOARD: x, MAX_TOKENS: "5", SECRET: secret:ok }';
    const told = await modelLines(simple.replace('node train.js }', `node train.js, ${env} }`));
    expect(told.map((line) => /train\.env\.(\w+)/.exec(line)?.[1])).toEqual(['API_KEY', 'dbPassword']);
  });

  it('gives a name and an endpoint to one model only', async () => {
    const files = { 'retempo.yaml': '', 'models/a.yaml': simple };
    expect(await lines({ ...files, 'models/b.yaml': simple })).toEqual([
      'models/b.yaml:1:1  model: the name late is also used by models/a.yaml',
    ]);
    const other = `${simple.replace('model: late', 'model: later')}release: { to: "endpoint:late" }\n`;
    expect(await lines({ ...files, 'models/b.yaml': other })).toEqual([
      'models/b.yaml:5:12  release.to: endpoint late belongs to model late (models/a.yaml); an endpoint serves one model',
    ]);
  });

  it('names what is required', async () => {
    expect(await modelLines('description: nothing else\n')).toEqual([
      expect.stringContaining('models/late.yaml:1:1  model: required: expected the name of the model'),
      'models/late.yaml:1:1  data: required: expected a mapping',
      'models/late.yaml:1:1  train: required: expected a mapping',
      'models/late.yaml:1:1  evaluate: required: expected a mapping',
    ]);
  });

  it('takes the site that lists an endpoint, and the cooldown that late labels need', async () => {
    const config = { sites: { 'onprem.east': {}, 'onprem.west': { endpoints: { late: {} } } } };
    const model = simple.replace('label: late', 'label: { column: late, arrivesAfter: 9d }');
    const { models } = await load({ 'retempo.yaml': config, 'models/late.yaml': model, 'train.js': 'x' });
    expect(models[0]?.draft.release.site).toBe('onprem.west');
    expect(models[0]?.draft.train.at).toEqual(['onprem.east/cpu', 'onprem.west/cpu']);
    expect(models[0]?.draft.retrain.cooldownMs).toBe(16 * 86_400_000);
  });

  it('says which file is missing', async () => {
    expect(await lines({})).toEqual([
      'retempo.yaml:1:1  there is no such file; create it, or run the command in the project folder',
    ]);
    expect(await lines({ 'retempo.yaml': 'owner: me\n' })).toEqual([
      'retempo.yaml:1:1  models: no model file matches models/*.yaml; write one that says model, data, train and evaluate, or correct models',
    ]);
  });

  it('throws one error whose message is the list', async () => {
    const error: unknown = await load({ 'retempo.yaml': 'x: 1\ny: 2\n' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).message.split('\n')).toHaveLength(3);
  });
});
