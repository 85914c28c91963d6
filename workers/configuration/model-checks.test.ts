import { describe, expect, it } from 'vitest';
import { checkModel } from './model-checks.js';
import type { ModelSections, ProjectPlaces } from './model-checks.js';

// What is wrong between parts that are right by themselves. Sections as their own checks leave them: times in milliseconds,
// shares as fractions.

const places: ProjectPlaces = { pools: { 'onprem.local': ['cpu'], 'onprem.other': null }, endpoints: {} };

const told = (sections: object, more: Partial<ProjectPlaces> = {}): readonly string[] =>
  checkModel(sections as ModelSections, { ...places, ...more }).map(
    ({ path, message, suggestion }) =>
      `${path.join('.')}: ${message}${suggestion === undefined ? '' : `; ${suggestion}`}`
  );

const data = (more: object) => ({ data: { source: 'x.csv', time: 'at', label: 'late', ...more } });
const train = (more: object) => ({ train: { run: 'node train.js', ...more } });
const predictions = (more: object) => ({ evaluate: { run: 'x', predictions: more } });
const gate = (metrics: object, more: object = {}) => ({ gate: { metrics, ...more } });
const loss = (more: object) => ({ watch: { loss: more } });
const usd = (amount: number) => ({ amount, currency: 'USD' });

/** Right between its parts, also at the ends of what is allowed. */
const right: readonly object[] = [
  {},
  data({}),
  data({ label: { column: 'late' }, key: 'row', features: { include: ['a', 'b'], important: ['a'] } }),
  data({ features: { include: 'all', except: ['a'], important: ['b'] } }),
  data({
    validate: [
      { column: 'a', min: 1, max: 1, type: 'number' },
      { column: 'b', type: 'text' },
    ],
  }),
  train({ at: ['onprem.local/cpu', 'onprem.other/whatever'] }),
  train({ env: { API_KEY: 'secret:mine', PLAIN: 'x' } }),
  predictions({ key: 'row', probability: 'p' }),
  { task: 'regression', ...predictions({ value: 'v' }) },
  gate({ logLoss: { atMost: 0.5, worstRow: 4.6 }, auc: { atLeast: 1 }, brier: { atMost: 1, notWorseBy: 0 } }),
  gate({ logLoss: { betterBy: 0.1 } }, { slices: { by: ['a'] }, confidence: 0.5 }),
  gate({ accuracy: { atLeast: 0 } }, { anchor: { version: 'v3-ab12cd34', notWorseBy: 0 }, confidence: 0.9999 }),
  { gate: { anchor: { version: 'pinned', notWorseBy: 0 }, slices: 'none' } },
  { gate: { approval: { quorum: 2, from: ['ann', 'ben'] } } },
  { model: 'm', release: { steps: [1, 99], holdback: 1, approval: { before: 2 }, alpha: 0.5 } },
  { release: { guardrails: { errors: { worseThan: 1, safeBelow: 1.1 }, slow: 'none' } } },
  { release: { lookEvery: 5, stepDeadline: 5, totalDeadline: 5, bake: 4, lease: 10 } },
  { release: { bake: 604_800_000, holdback: 0 } },
  { release: { lookEvery: 3_600_000, lease: 'none' } },
  loss({ metric: 'brier', tolerate: 0.9 }),
  { task: 'regression', watch: { loss: 'none' } },
  { watch: { compare: ['training', 'sameSlot'] } },
  { ...train({ atMost: usd(5) }), retrain: { atMost: { cost: usd(5) } } },
  train({ atMost: usd(5) }),
  { ...train({ atMost: usd(5) }), retrain: { atMost: { cost: 'none' } } },
  { ...train({ atMost: 'none' }), retrain: { atMost: { cost: usd(5) } } },
];

const wrong: readonly (readonly [object, string])[] = [
  [data({ label: 'at' }), 'data.label: expected another column than data.time (at)'],
  [data({ label: 'id' }), 'data.label: expected another column than data.key (id)'],
  [data({ label: { column: 'row' }, key: 'row' }), 'data.label: expected another column than data.key (row)'],
  [data({ features: { include: ['a', 'late'] } }), 'data.features.include: expected features without the label (late)'],
  [data({ features: { except: ['a'], important: ['a'] } }), 'data.features.important.0: "a" is excluded under except'],
  [
    data({ features: { include: ['delay'], important: ['delay', 'dela'] } }),
    'data.features.important.1: "dela" is not among the included features; did you mean "delay"?',
  ],
  [
    data({ validate: [{ column: 'a' }] }),
    'data.validate.0: expected at least one of type, min, max, missingAtMost, oneOf',
  ],
  [data({ validate: [{ column: 'a', min: 2, max: 1 }] }), 'data.validate.0.min: expected at most max (1), got 2'],
  ...[{ min: 1 }, { max: 1 }].map((limit): [object, string] => [
    data({ validate: [{ column: 'a', type: 'text', ...limit }] }),
    'data.validate.0.type: expected number, because min or max is given, got text',
  ]),
  [train({ at: ['onprem.locl/cpu'] }), 'train.at.0: unknown site onprem.locl; did you mean "onprem.local"?'],
  [train({ at: ['onprem.local/cpus'] }), 'train.at.0: site onprem.local has no pool cpus; did you mean "cpu"?'],
  [train({ at: ['onprem.local/cpu', 'onprem.local/cpu'] }), 'train.at.1: onprem.local/cpu is there twice'],
  [
    { task: 'regression', ...predictions({ probability: 'p' }) },
    'evaluate.predictions.probability: a regression model predicts a value; write value instead',
  ],
  [
    predictions({ key: 'row', probability: 'row' }),
    'evaluate.predictions.probability: expected another column than the key (row)',
  ],
  [
    { ...data({ key: 'row' }), ...predictions({ value: 'row' }) },
    'evaluate.predictions.value: expected another column than the key (row)',
  ],
  [
    { ...data({}), ...predictions({ probability: 'id' }) },
    'evaluate.predictions.probability: expected another column than the key (id)',
  ],
  [gate({}), 'gate.metrics: expected at least one metric: a gate without checks would pass everything'],
  [gate({ logLos: { atMost: 1 } }), 'gate.metrics.logLos: unknown metric for task binary; did you mean "logLoss"?'],
  [
    gate({ toString: { atLeast: 1 } }),
    'gate.metrics.toString: unknown metric for task binary; known: logLoss, brier, auc, accuracy',
  ],
  [
    { task: 'regression', ...gate({ auc: { atLeast: 1 } }) },
    'gate.metrics.auc: unknown metric for task regression; known: mae, mse',
  ],
  [gate({ auc: {} }), 'gate.metrics.auc: expected at least one of atMost, atLeast, notWorseBy, betterBy'],
  [
    gate({ logLoss: { worstRow: 4 } }),
    'gate.metrics.logLoss: expected at least one of atMost, atLeast, notWorseBy, betterBy',
  ],
  [gate({ logLoss: { atLeast: 1 } }), 'gate.metrics.logLoss.atLeast: for logLoss lower is better; write atMost'],
  [gate({ auc: { atMost: 1 } }), 'gate.metrics.auc.atMost: for auc higher is better; write atLeast'],
  [
    gate({ auc: { notWorseBy: 0, betterBy: 0 } }),
    'gate.metrics.auc.betterBy: expected either notWorseBy or betterBy, got both',
  ],
  ...['auc', 'accuracy'].map((name): [object, string] => [
    gate({ [name]: { atLeast: 0.5, worstRow: 1 } }),
    `gate.metrics.${name}.worstRow: rows do not cost different amounts of ${name}; leave it out`,
  ]),
  [gate({ auc: { atLeast: 1.1 } }), 'gate.metrics.auc.atLeast: auc lies between 0 and 1, got 1.1'],
  [gate({ auc: { atLeast: -0.1 } }), 'gate.metrics.auc.atLeast: auc lies between 0 and 1, got -0.1'],
  [gate({ brier: { atMost: 1.1 } }), 'gate.metrics.brier.atMost: brier lies between 0 and 1, got 1.1'],
  ...[{ slices: { by: ['a'] } }, { anchor: { version: 'pinned' } }].map((part): [object, string] => [
    gate({ auc: { atLeast: 0.5 } }, part),
    `gate.${Object.keys(part)[0]}: compares row by row: expected one of logLoss, brier, accuracy among gate.metrics`,
  ]),
  ...[0.49, 0.99991].map((confidence): [object, string] => [
    { gate: { confidence } },
    `gate.confidence: expected from 50% to 99.99%, got ${confidence}`,
  ]),
  ...['v3', 'champion', 'v3-AB12CD34', 'v3-ab12cd345'].map((version): [object, string] => [
    { gate: { anchor: { version } } },
    `gate.anchor.version: expected pinned or a version id such as v3-ab12cd34, got "${version}"`,
  ]),
  ...['gate', 'release'].map((section): [object, string] => [
    { [section]: { approval: { from: ['ann', 'ben', 'ann'], quorum: 2 } } },
    `${section}.approval.from.2: ann is there twice; quorum 2 counts people`,
  ]),
  [{ release: { steps: [5, 5] } }, 'release.steps.1: expected more than the step before (5), got 5'],
  [{ release: { steps: [5, 50], holdback: 51 } }, 'release.holdback: expected at most 50%, what the last step leaves'],
  [
    { release: { steps: [5, 50], approval: { before: 5 } } },
    'release.approval.before: expected more than the first step (5%), got 5%: before any traffic people are asked by gate.approval',
  ],
  [
    { release: { guardrails: { errors: { safeBelow: 1 } } } },
    'release.guardrails.errors.safeBelow: expected safeBelow above worseThan, got 1x and 1x: between them lies "not decided yet"',
  ],
  [
    { release: { guardrails: { slow: { over: 50, worseThan: 1.5 } } } },
    'release.guardrails.slow.safeBelow: expected safeBelow above worseThan, got 1.5x and 1.5x: between them lies "not decided yet"',
  ],
  ...[0, 0.51].map((alpha): [object, string] => [
    { release: { alpha } },
    `release.alpha: expected above 0% and at most 50%, got ${alpha}`,
  ]),
  [
    { release: { lookEvery: 6, stepDeadline: 5, lease: 'none' } },
    'release.lookEvery: expected at most stepDeadline: a step needs at least one look',
  ],
  [
    { release: { lookEvery: 86_400_001, lease: 'none' } },
    'release.lookEvery: expected at most stepDeadline: a step needs at least one look',
  ],
  [{ release: { stepDeadline: 691_200_000 } }, 'release.stepDeadline: expected at most totalDeadline'],
  [
    { release: { bake: 604_800_000 } },
    "release.bake: expected a bake (7d) shorter than totalDeadline (7d): that runs from the canary's start, so it would be rolled back before its bake is over; write a shorter bake, a longer totalDeadline, or holdback: 0%",
  ],
  [
    { release: { totalDeadline: 86_400_000 } },
    "release.totalDeadline: expected a bake (1d) shorter than totalDeadline (1d): that runs from the canary's start, so it would be rolled back before its bake is over; write a shorter bake, a longer totalDeadline, or holdback: 0%",
  ],
  [
    { release: { lease: 119_999 } },
    'release.lease: expected a lease (119999 ms) of at least twice lookEvery (60000 ms), so that one late look does not roll back',
  ],
  [
    { release: { lookEvery: 300_001 } },
    'release.lookEvery: expected a lease (600000 ms) of at least twice lookEvery (300001 ms), so that one late look does not roll back',
  ],
  [
    { task: 'regression', ...loss({}) },
    'watch.loss: a labelled loss is watched for task binary only in this version, not regression; write none',
  ],
  [loss({ tolerate: 4.6 }), 'watch.loss.tolerate: expected less than clip (4.6), got 4.6'],
  [loss({ metric: 'brier', tolerate: 1 }), 'watch.loss.tolerate: expected less than clip (1), got 1'],
  [loss({ metric: 'brier', clip: 1.1 }), 'watch.loss.clip: the Brier loss of one row is at most 1, got 1.1'],
  [{ watch: { compare: ['training', 'training'] } }, 'watch.compare.1: training is there twice'],
  [
    { watch: { compare: ['sameSlot'] } },
    'watch.compare: sameSlot forgives what comes back every season; it cannot stand for what the model was trained on; write [training, sameSlot]',
  ],
  [
    { ...train({ atMost: { amount: 1, currency: 'EUR' } }), retrain: { atMost: { cost: usd(5) } } },
    'retrain.atMost.cost: expected the currency of train.atMost (EUR), got USD',
  ],
  [
    { ...train({ atMost: usd(6) }), retrain: { atMost: { cost: usd(5) } } },
    'retrain.atMost.cost: expected at least train.atMost (6), got 5',
  ],
];

describe('checkModel', () => {
  it.each(right)('finds nothing in %j', (sections) => {
    expect(told(sections)).toEqual([]);
  });

  it.each(wrong)('of %j says one thing', (sections, expected) => {
    expect(told(sections)).toEqual([expected]);
  });

  it('knows the endpoints that retempo.yaml names', () => {
    const endpoints = { delays: { site: 'onprem.local' } };
    expect(told({ model: 'delays' }, { endpoints })).toEqual([]);
    expect(told({ model: 'm', release: { to: 'endpoint:delays' } }, { endpoints })).toEqual([]);
    expect(told({ model: 'm', release: { to: 'endpoint:delay' } }, { endpoints })).toEqual([
      'release.to: endpoint delay is not in retempo.yaml; did you mean "delays"?',
    ]);
    expect(told({ model: 'delay' }, { endpoints })).toEqual([
      'release: endpoint delay is not in retempo.yaml; did you mean "delays"?',
    ]);
    // Where the name itself is wrong, that is told elsewhere.
    expect(told({}, { endpoints })).toEqual([]);
  });
});
