import { z } from 'zod';
import { filePattern } from './config-schema.js';
import {
  command,
  duration,
  field,
  fraction,
  list,
  money,
  notYet,
  ratio,
  real,
  section,
  size,
  slug,
  text,
  whole,
  wholePercent,
  windows,
  word,
  yesNo,
} from './fields.js';
import { readLocation } from './paths.js';
import { FieldProblem } from './units.js';

const column = text({ what: 'the name of a column', max: 256 });
const second = 1_000;

const source: z.ZodType<string> = field({ type: 'string' }, (value) => {
  if (typeof value === 'object' && value !== null && 'run' in value) {
    throw notYet('a source that is a program ({ run: ... })', ['a path or glob of Parquet or CSV files']);
  }
  return readLocation(value, { what: 'a path or glob of Parquet or CSV files', glob: true });
});

const notSupported = (what: string, instead: string): z.ZodType<never> =>
  field({ not: {} }, () => {
    throw notYet(what, [instead]);
  });

const columnRule = section({
  column,
  type: word(['number', 'string', 'boolean', 'time']).optional(),
  min: real().optional(),
  max: real().optional(),
  missingAtMost: fraction.optional(),
  oneOf: list(
    field({ type: ['string', 'number', 'boolean'] }, (value): string | number | boolean => {
      if (typeof value === 'string' || typeof value === 'boolean') return value;
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      throw new FieldProblem('expected text, a number, true or false');
    }),
    { min: 1, max: 1_000 }
  ).optional(),
});

const person = text({ what: 'the name of a person or group', max: 128 });
const approvalKeys = {
  quorum: whole({ min: 1, max: 20 }).optional(),
  from: list(person, { max: 100 }).optional(),
  expires: duration({ minMs: second }).optional(),
};

const guardrail = {
  worseThan: ratio.optional(),
  safeBelow: ratio.optional(),
  ignoreBelow: fraction.optional(),
  overdispersion: real({ min: 1, max: 1_000 }).optional(),
};

const metricLimits = section({
  atMost: real().optional(),
  atLeast: real().optional(),
  notWorseBy: real({ min: 0 }).optional(),
  betterBy: real({ above: 0 }).optional(),
  worstRow: real({ above: 0 }).optional(),
});

/** A program's parameters: any JSON. */
const json: z.ZodType = field({}, (value) => {
  const walk = (part: unknown): void => {
    if (typeof part === 'number' && !Number.isFinite(part)) throw new FieldProblem('expected a finite number');
    if (typeof part === 'object' && part !== null) for (const inner of Object.values(part)) walk(inner);
  };
  walk(value);
  return value;
});

const environmentName: z.ZodType<string> = field({ type: 'string' }, (value) => {
  const expected = 'expected the name of an environment variable: letters, digits and _, not starting with a digit';
  if (typeof value !== 'string' || !/^[A-Za-z_]\w{0,127}$/.test(value)) throw new FieldProblem(expected);
  if (value.startsWith('RETEMPO_'))
    throw new FieldProblem(`${expected}; names that start with RETEMPO_ are set by Retempo`);
  return value;
});

const environmentValue: z.ZodType<string> = field(
  { type: 'string', maxLength: 4_096 },
  (value) => {
    if (typeof value !== 'string') throw new FieldProblem('expected text', 'put quotes around it');
    if (value.includes('\0')) throw new FieldProblem('expected text without NUL characters');
    if (value.length > 4_096) throw new FieldProblem('expected text of at most 4 096 characters');
    if (value.startsWith('secret:') && !/^secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(value)) {
      throw new FieldProblem('expected secret: and a name of letters, digits, _ . and -');
    }
    return value;
  },
  // It may be a secret that should not be here, so it is never repeated.
  { secret: true }
);

const place: z.ZodType<string> = field({ type: 'string', examples: ['onprem.local/cpu'] }, (value) => {
  if (
    typeof value === 'string' &&
    /^[a-z][a-z0-9-]{0,62}\.[a-z][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9-]{0,62}$/.test(value)
  ) {
    return value;
  }
  throw new FieldProblem('expected a pool <site>/<pool>, such as onprem.local/cpu');
});

const destination: z.ZodType<string> = field({ type: 'string', examples: ['endpoint:flight-delay'] }, (value) => {
  const expected = 'expected endpoint:<name>';
  if (typeof value !== 'string') throw new FieldProblem(expected);
  if (value.startsWith('batch:')) throw notYet('batch: as destination', ['endpoint:<name>']);
  if (!/^endpoint:[a-z][a-z0-9-]{0,62}$/.test(value)) throw new FieldProblem(expected);
  return value;
});

const steps = list(whole({ min: 1, max: 99 }), { min: 1, max: 50 });

/** Keys of a model file. Required: `model`, `data.source`, `data.time`, `data.label`, `train.run`, `evaluate.run`. */
export const modelShape = {
  model: slug('the name of the model'),
  description: text({ what: 'a description', max: 2_000, lines: true }).optional(),
  task: word(['binary', 'regression'], ['multiclass', 'ranking', 'generation']).optional(),
  data: section({
    source,
    time: column,
    key: column.optional(),
    unit: column.optional(),
    label: z.union([column, section({ column, arrivesAfter: duration({ zero: true }).optional() })]),
    features: section({
      include: z.union([word(['all']), list(column, { min: 1, max: 10_000 })]).optional(),
      except: list(column, { max: 10_000 }).optional(),
      important: list(column, { max: 10_000 }).optional(),
    }).optional(),
    split: section({
      train: duration({ minMs: second }).optional(),
      gap: duration({ zero: true }).optional(),
      evaluate: duration({ minMs: second }).optional(),
    }).optional(),
    validate: list(columnRule, { max: 1_000 }).optional(),
  }),
  train: section({
    run: command,
    image: notSupported('image', 'run with a command').optional(),
    at: list(place, { min: 1, max: 20 }).optional(),
    resources: section({
      cpu: real({ above: 0, max: 4_096 }).optional(),
      memory: size.optional(),
      gpu: notSupported('gpu', 'cpu and memory').optional(),
    }).optional(),
    parameters: z.record(text({ what: 'the name of a parameter', max: 128 }), json).optional(),
    env: z.record(environmentName, environmentValue).optional(),
    timeout: duration({ minMs: second }).optional(),
    atMost: z.union([money, word(['none'])]).optional(),
    attemptsPerPool: whole({ min: 1, max: 100 }).optional(),
  }),
  evaluate: section({
    run: command,
    image: notSupported('image', 'run with a command').optional(),
    predictions: section({
      key: column.optional(),
      probability: column.optional(),
      value: column.optional(),
    }).optional(),
    timeout: duration({ minMs: second }).optional(),
  }),
  code: section({
    include: list(filePattern, { max: 200 }).optional(),
    exclude: list(filePattern, { max: 200 }).optional(),
  }).optional(),
  gate: section({
    metrics: z.record(text({ what: 'the name of a metric', max: 64 }), metricLimits).optional(),
    minRows: whole({ min: 1, max: 1e12 }).optional(),
    confidence: fraction.optional(),
    slices: z
      .union([
        word(['none']),
        section({ by: list(column, { min: 1, max: 50 }), minRows: whole({ min: 1, max: 1e12 }).optional() }),
      ])
      .optional(),
    anchor: z
      .union([
        word(['none']),
        section({ version: text({ what: 'pinned or a version id', max: 64 }), notWorseBy: real({ min: 0 }) }),
      ])
      .optional(),
    approval: z.union([word(['none']), section(approvalKeys)]).optional(),
  }).optional(),
  release: section({
    to: destination.optional(),
    strategy: word(['canary'], ['blueGreen', 'shadow', 'abTest']).optional(),
    steps: steps.optional(),
    holdback: wholePercent({ min: 0, max: 50 }).optional(),
    bake: duration({ zero: true }).optional(),
    guardrails: section({
      errors: section(guardrail).optional(),
      slow: z.union([word(['none']), section({ over: duration(), ...guardrail })]).optional(),
    }).optional(),
    alpha: fraction.optional(),
    lookEvery: duration({ minMs: 100 }).optional(),
    stepDeadline: duration({ minMs: second }).optional(),
    totalDeadline: duration({ minMs: second }).optional(),
    deployDeadline: duration({ minMs: second }).optional(),
    onInconclusive: word(['hold', 'rollback']).optional(),
    approval: z
      .union([word(['none']), section({ before: wholePercent({ min: 1, max: 100 }).optional(), ...approvalKeys })])
      .optional(),
    lease: z.union([word(['none']), duration()]).optional(),
  }).optional(),
  watch: section({
    every: duration({ minMs: second }).optional(),
    compare: list(word(['training', 'sameSlot']), { min: 1, max: 2 }).optional(),
    minRows: whole({ min: 1, max: 1e12 }).optional(),
    loss: z
      .union([
        word(['none']),
        section({
          metric: word(['logLoss', 'brier']).optional(),
          tolerate: real({ above: 0, max: 1_000 }).optional(),
          clip: real({ above: 0, max: 1_000 }).optional(),
          falseAlarmEvery: windows.optional(),
        }),
      ])
      .optional(),
  }).optional(),
  retrain: section({
    on: section({
      drift: yesNo.optional(),
      every: z.union([word(['none']), duration({ minMs: second })]).optional(),
      events: list(text({ what: 'the name of an event', max: 128 }), { max: 100 }).optional(),
    }).optional(),
    cooldown: duration({ zero: true }).optional(),
    atMost: section({
      runs: whole({ min: 1, max: 100_000 }).optional(),
      cost: z.union([money, word(['none'])]).optional(),
      per: duration({ minMs: second }).optional(),
    }).optional(),
    breakerAfter: whole({ min: 1, max: 1_000 }).optional(),
    minGain: real({ min: 0 }).optional(),
  }).optional(),
} as const;

/** Schema of a model file. */
export const modelSchema = section(modelShape);
