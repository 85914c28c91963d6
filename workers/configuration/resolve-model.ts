import type { z } from 'zod';
import type { ApprovalPolicy, Json, ModelSpec } from '@retempo/workflows/contracts';
import { defaultGateMetrics, type JudgedTask } from './model-metrics.js';
import { modelDefaults as defaults } from './model-defaults.js';
import type { modelSchema } from './model-schema.js';
import { absolutePath } from './paths.js';

/** A checked model file without its program files: the caller seals those and adds the reference as `code`. */
export type ModelDraft = Omit<ModelSpec, 'code'>;

/** What a model file says, after the checks, before the defaults. */
export type ModelInput = z.output<typeof modelSchema>;

/** What the project says about where a model may run and be served. */
export interface ModelSurroundings {
  /** Absolute path of the project folder. */
  readonly folder: string;
  /** Pools in order of preference, `<site>/<pool>`, for models that name none. */
  readonly pools: readonly string[];
  /** Site of an endpoint. */
  siteOf(endpoint: string): string;
}

/** Name of the endpoint a model file releases to; default the model's own name. */
export const endpointOf = (input: {
  readonly model: string;
  readonly release?: { readonly to?: string | undefined } | undefined;
}): string => input.release?.to?.slice('endpoint:'.length) ?? input.model;

/** Fills every default of a model file in. */
export function resolveModel(input: ModelInput, surroundings: ModelSurroundings): ModelDraft {
  const task = input.task ?? 'binary';
  const data = resolveData(input.data, surroundings.folder);
  const minGain = input.retrain?.minGain ?? defaults.minGain;
  return {
    v: 1,
    model: input.model,
    ...(input.description === undefined ? {} : { description: input.description }),
    task,
    data,
    train: resolveTrain(input.train, surroundings.pools),
    evaluate: {
      run: input.evaluate.run,
      predictions: resolvePredictions(input.evaluate.predictions, task, data.key),
      timeoutMs: input.evaluate.timeout ?? defaults.evaluateTimeoutMs,
    },
    gate: resolveGate(input.gate, task),
    release: resolveRelease(input, surroundings),
    watch: resolveWatch(input.watch, task),
    retrain: { ...resolveRetrain(input.retrain, data, input.watch?.every ?? defaults.watchEveryMs), minGain },
  };
}

function resolveData(input: ModelInput['data'], folder: string): ModelSpec['data'] {
  const label = typeof input.label === 'string' ? { column: input.label } : input.label;
  const arrivesAfterMs = label.arrivesAfter ?? 0;
  const key = input.key ?? 'id';
  const { features = {}, split = {} } = input;
  return {
    source: absolutePath(input.source, folder),
    time: input.time,
    key,
    unit: input.unit ?? key,
    label: { column: label.column, arrivesAfterMs },
    features: {
      include: features.include ?? 'all',
      except: features.except ?? [],
      important: features.important ?? [],
    },
    split: {
      trainMs: split.train ?? defaults.trainMs,
      gapMs: split.gap ?? arrivesAfterMs,
      evaluateMs: split.evaluate ?? defaults.evaluateMs,
    },
    validate: (input.validate ?? []).map(defined),
  };
}

function resolveTrain(input: ModelInput['train'], pools: readonly string[]): ModelSpec['train'] {
  const { resources = {}, atMost } = input;
  return {
    run: input.run,
    at: input.at ?? pools,
    resources: defined({ cpu: resources.cpu, memoryBytes: resources.memory }),
    parameters: (input.parameters ?? {}) as { readonly [name: string]: Json },
    env: input.env ?? {},
    timeoutMs: input.timeout ?? defaults.trainTimeoutMs,
    atMost: atMost === undefined || atMost === 'none' ? null : atMost,
    attemptsPerPool: input.attemptsPerPool ?? defaults.attemptsPerPool,
  };
}

function resolvePredictions(
  input: ModelInput['evaluate']['predictions'],
  task: ModelSpec['task'],
  dataKey: string
): ModelSpec['evaluate']['predictions'] {
  const key = input?.key ?? dataKey;
  const value = input?.value ?? (task === 'binary' ? undefined : 'prediction');
  const probability = input?.probability ?? (task === 'binary' ? 'probability' : undefined);
  return { key, ...defined({ probability, value }) };
}

const resolveApproval = (
  input: 'none' | { quorum?: number | undefined; from?: string[] | undefined; expires?: number | undefined } | undefined
): ApprovalPolicy | null =>
  input === undefined || input === 'none'
    ? null
    : {
        quorum: input.quorum ?? defaults.approval.quorum,
        from: input.from ?? [],
        expiresMs: input.expires ?? defaults.approval.expiresMs,
      };

function resolveGate(input: ModelInput['gate'], task: JudgedTask): ModelSpec['gate'] {
  const { slices, anchor, metrics } = input ?? {};
  return {
    metrics:
      metrics === undefined
        ? defaultGateMetrics[task]
        : Object.fromEntries(Object.entries(metrics).map(([name, limits]) => [name, defined(limits)])),
    minRows: input?.minRows ?? defaults.gateMinRows,
    confidence: input?.confidence ?? defaults.confidence,
    slices:
      slices === undefined || slices === 'none'
        ? null
        : { by: slices.by, minRows: slices.minRows ?? defaults.sliceMinRows },
    anchor: anchor === undefined || anchor === 'none' ? null : anchor,
    approval: resolveApproval(input?.approval),
  };
}

function resolveRelease(input: ModelInput, surroundings: ModelSurroundings): ModelSpec['release'] {
  const endpoint = endpointOf(input);
  const release = input.release ?? {};
  const { errors, slow } = release.guardrails ?? {};
  const approval = resolveApproval(release.approval);
  const before = typeof release.approval === 'object' ? release.approval.before : undefined;
  return {
    endpoint,
    site: surroundings.siteOf(endpoint),
    strategy: 'canary',
    steps: release.steps ?? defaults.steps,
    holdbackPercent: release.holdback ?? defaults.holdbackPercent,
    bakeMs: release.bake ?? defaults.bakeMs,
    guardrails: {
      errors: { ...defaults.errors, ...defined(errors ?? {}) },
      slow: slow === undefined || slow === 'none' ? null : resolveSlow(slow),
    },
    alpha: release.alpha ?? defaults.alpha,
    lookEveryMs: release.lookEvery ?? defaults.lookEveryMs,
    stepDeadlineMs: release.stepDeadline ?? defaults.stepDeadlineMs,
    totalDeadlineMs: release.totalDeadline ?? defaults.totalDeadlineMs,
    deployDeadlineMs: release.deployDeadline ?? defaults.deployDeadlineMs,
    onInconclusive: release.onInconclusive ?? 'hold',
    approval: approval === null ? null : { ...approval, beforePercent: (before ?? 100) - 1 },
    leaseMs: release.lease === 'none' ? null : (release.lease ?? defaults.leaseMs),
  };
}

function resolveSlow(input: {
  over: number;
  worseThan?: number | undefined;
  safeBelow?: number | undefined;
  ignoreBelow?: number | undefined;
  overdispersion?: number | undefined;
}): NonNullable<ModelSpec['release']['guardrails']['slow']> {
  const { over, ...limits } = input;
  return { ...defaults.slow, ...defined(limits), overMs: over };
}

function resolveWatch(input: ModelInput['watch'], task: ModelSpec['task']): ModelSpec['watch'] {
  const wanted = input?.loss ?? (task === 'binary' ? {} : 'none');
  return {
    everyMs: input?.every ?? defaults.watchEveryMs,
    compare: input?.compare ?? ['training'],
    minRows: input?.minRows ?? defaults.watchMinRows,
    loss:
      wanted === 'none'
        ? null
        : {
            metric: wanted.metric ?? defaults.loss.metric,
            tolerate: wanted.tolerate ?? defaults.loss.tolerate,
            // The Brier loss of one row is at most 1, so that is where it is scaled.
            clip: wanted.clip ?? (wanted.metric === 'brier' ? 1 : defaults.loss.clip),
            falseAlarmEveryWindows: wanted.falseAlarmEvery ?? defaults.loss.falseAlarmEveryWindows,
          },
  };
}

function resolveRetrain(
  input: ModelInput['retrain'],
  data: ModelSpec['data'],
  windowMs: number
): Omit<ModelSpec['retrain'], 'minGain'> {
  const { on = {}, atMost = {} } = input ?? {};
  return {
    on: {
      drift: on.drift ?? true,
      everyMs: on.every === undefined || on.every === 'none' ? null : on.every,
      events: on.events ?? [],
    },
    // Sooner than labels of one new window can exist, a second run has nothing new to learn.
    cooldownMs: input?.cooldown ?? Math.max(defaults.cooldownMs, data.label.arrivesAfterMs + windowMs),
    atMost: {
      runs: atMost.runs ?? defaults.runs,
      cost: atMost.cost === undefined || atMost.cost === 'none' ? null : atMost.cost.amount,
      perMs: atMost.per ?? defaults.perMs,
    },
    breakerAfter: input?.breakerAfter ?? defaults.breakerAfter,
  };
}

/** Without the keys that are undefined: an absent key and an undefined one would give two digests of one meaning. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
