import { defaultGateMetrics, rowLossMetrics, taskMetrics } from './model-metrics.js';
import { modelDefaults } from './model-defaults.js';
import type { modelShape } from './model-schema.js';
import type { FoundProblem } from './problems.js';
import type { z } from 'zod';
import { plainEnvironmentSecrets } from './secrets.js';
import { didYouMean } from './suggestions.js';
import { endpointOf } from './resolve-model.js';
import { written } from './units.js';

/** Sections of a model file that passed their own checks. */
export type ModelSections = { readonly [K in keyof typeof modelShape]?: z.output<(typeof modelShape)[K]> };

/** What a project offers to its models. */
export interface ProjectPlaces {
  /** Pools by site; null where the site's entry does not list them. */
  readonly pools: { readonly [site: string]: readonly string[] | null };
  /** Endpoints of the configuration; empty when it names none. */
  readonly endpoints: { readonly [endpoint: string]: { readonly site: string } };
}

/** Everything in a model file that is wrong between its parts, or between it and the project. */
export function checkModel(input: ModelSections, places: ProjectPlaces): readonly FoundProblem[] {
  return [
    ...checkData(input),
    ...checkTrain(input, places),
    ...checkPredictions(input),
    ...checkGate(input),
    ...checkRelease(input, places),
    ...checkWatch(input),
    ...checkCompare(input),
    ...checkRetrain(input),
  ];
}

const problem = (path: FoundProblem['path'], message: string, suggestion?: string): FoundProblem => ({
  path,
  message,
  suggestion,
});

function checkData({ data }: ModelSections): readonly FoundProblem[] {
  if (data === undefined) return [];
  const found: FoundProblem[] = [];
  const label = typeof data.label === 'string' ? data.label : data.label.column;
  const key = data.key ?? 'id';
  if (label === data.time) found.push(problem(['data', 'label'], `expected another column than data.time (${label})`));
  if (label === key) found.push(problem(['data', 'label'], `expected another column than data.key (${label})`));
  const { include, except = [], important = [] } = data.features ?? {};
  if (Array.isArray(include) && include.includes(label)) {
    found.push(problem(['data', 'features', 'include'], `expected features without the label (${label})`));
  }
  for (const [index, name] of important.entries()) {
    const path = ['data', 'features', 'important', index];
    if (except.includes(name)) found.push(problem(path, `"${name}" is excluded under except`));
    else if (Array.isArray(include) && !include.includes(name)) {
      found.push(problem(path, `"${name}" is not among the included features`, didYouMean(name, include)));
    }
  }
  for (const [index, rule] of (data.validate ?? []).entries()) {
    const path = ['data', 'validate', index];
    const { column: _, ...expectations } = rule;
    if (Object.values(expectations).every((one) => one === undefined)) {
      found.push(problem(path, 'expected at least one of type, min, max, missingAtMost, oneOf'));
    }
    if (rule.min !== undefined && rule.max !== undefined && rule.min > rule.max) {
      found.push(problem([...path, 'min'], `expected at most max (${rule.max}), got ${rule.min}`));
    }
    if (rule.type !== undefined && rule.type !== 'number' && (rule.min !== undefined || rule.max !== undefined)) {
      found.push(problem([...path, 'type'], `expected number, because min or max is given, got ${rule.type}`));
    }
  }
  return found;
}

function checkTrain({ train }: ModelSections, places: ProjectPlaces): readonly FoundProblem[] {
  if (train === undefined) return [];
  const found: FoundProblem[] = [...plainEnvironmentSecrets(train.env, ['train', 'env'])];
  for (const [index, place] of (train.at ?? []).entries()) {
    const path = ['train', 'at', index];
    const [site = '', pool = ''] = place.split('/');
    const pools = places.pools[site];
    if (pools === undefined) {
      found.push(problem(path, `unknown site ${site}`, didYouMean(site, Object.keys(places.pools))));
    } else if (pools !== null && !pools.includes(pool)) {
      found.push(problem(path, `site ${site} has no pool ${pool}`, didYouMean(pool, pools)));
    }
    if (train.at?.indexOf(place) !== index) found.push(problem(path, `${place} is there twice`));
  }
  return found;
}

function checkPredictions({ evaluate, task, data }: ModelSections): readonly FoundProblem[] {
  const predictions = evaluate?.predictions;
  if (predictions === undefined) return [];
  const path = ['evaluate', 'predictions'];
  const found: FoundProblem[] = [];
  if ((task ?? 'binary') !== 'binary' && predictions.probability !== undefined) {
    found.push(problem([...path, 'probability'], `a ${task} model predicts a value`, 'write value instead'));
  }
  const key = predictions.key ?? (data === undefined ? undefined : (data.key ?? 'id'));
  for (const name of ['probability', 'value'] as const) {
    if (predictions[name] !== undefined && predictions[name] === key) {
      found.push(problem([...path, name], `expected another column than the key (${key})`));
    }
  }
  return found;
}

function checkGate({ gate, task = 'binary' }: ModelSections): readonly FoundProblem[] {
  if (gate === undefined) return [];
  const found: FoundProblem[] = [];
  const known = taskMetrics[task];
  if (gate.metrics !== undefined && Object.keys(gate.metrics).length === 0) {
    found.push(
      problem(['gate', 'metrics'], 'expected at least one metric: a gate without checks would pass everything')
    );
  }
  for (const [name, limits] of Object.entries(gate.metrics ?? {})) {
    const path = ['gate', 'metrics', name];
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) {
      found.push(problem(path, `unknown metric for task ${task}`, didYouMean(name, Object.keys(known))));
      continue;
    }
    const { worstRow, ...judged } = limits;
    if (Object.values(judged).every((one) => one === undefined)) {
      found.push(problem(path, 'expected at least one of atMost, atLeast, notWorseBy, betterBy'));
    }
    if (limits.atLeast !== undefined && kind.better === 'lower') {
      found.push(problem([...path, 'atLeast'], `for ${name} lower is better`, 'write atMost'));
    }
    if (limits.atMost !== undefined && kind.better === 'higher') {
      found.push(problem([...path, 'atMost'], `for ${name} higher is better`, 'write atLeast'));
    }
    if (limits.notWorseBy !== undefined && limits.betterBy !== undefined) {
      found.push(problem([...path, 'betterBy'], 'expected either notWorseBy or betterBy, got both'));
    }
    if (worstRow !== undefined && (name === 'accuracy' || !rowLossMetrics.includes(name))) {
      found.push(problem([...path, 'worstRow'], `rows do not cost different amounts of ${name}`, 'leave it out'));
    }
    for (const limit of ['atMost', 'atLeast'] as const) {
      const value = limits[limit];
      if (value !== undefined && (value < kind.min || value > kind.max)) {
        found.push(problem([...path, limit], `${name} lies between ${kind.min} and ${kind.max}, got ${value}`));
      }
    }
  }
  const names = gate.metrics === undefined ? Object.keys(defaultGateMetrics[task]) : Object.keys(gate.metrics);
  const byRow = names.some((name) => rowLossMetrics.includes(name));
  for (const part of ['slices', 'anchor'] as const) {
    if (typeof gate[part] === 'object' && !byRow && found.length === 0) {
      const metrics = Object.keys(known).filter((name) => rowLossMetrics.includes(name));
      found.push(
        problem(['gate', part], `compares row by row: expected one of ${metrics.join(', ')} among gate.metrics`)
      );
    }
  }
  if (gate.confidence !== undefined && (gate.confidence < 0.5 || gate.confidence > 0.9999)) {
    found.push(problem(['gate', 'confidence'], `expected from 50% to 99.99%, got ${gate.confidence}`));
  }
  if (typeof gate.anchor === 'object' && !/^(?:pinned|v\d{1,9}-[0-9a-f]{8})$/.test(gate.anchor.version)) {
    const expected = 'expected pinned or a version id such as v3-ab12cd34';
    found.push(problem(['gate', 'anchor', 'version'], `${expected}, got ${JSON.stringify(gate.anchor.version)}`));
  }
  return [...found, ...checkApproval(gate.approval, ['gate', 'approval'])];
}

function checkApproval(
  approval: 'none' | { quorum?: number | undefined; from?: string[] | undefined } | undefined,
  path: readonly string[]
): readonly FoundProblem[] {
  if (typeof approval !== 'object') return [];
  const { quorum = modelDefaults.approval.quorum, from = [] } = approval;
  const doubled = from.findIndex((name, index) => from.indexOf(name) !== index);
  return doubled < 0
    ? []
    : [problem([...path, 'from', doubled], `${from[doubled]} is there twice; quorum ${quorum} counts people`)];
}

function checkRelease(input: ModelSections, places: ProjectPlaces): readonly FoundProblem[] {
  const { release = {}, model } = input;
  const found: FoundProblem[] = [];
  const configured = Object.keys(places.endpoints);
  if (model !== undefined && configured.length > 0) {
    const endpoint = endpointOf({ model, release });
    if (!configured.includes(endpoint)) {
      const path = release.to === undefined ? ['release'] : ['release', 'to'];
      found.push(problem(path, `endpoint ${endpoint} is not in retempo.yaml`, didYouMean(endpoint, configured)));
    }
  }
  const { steps = modelDefaults.steps, holdback = modelDefaults.holdbackPercent } = release;
  steps.forEach((step, index) => {
    const before = steps[index - 1];
    if (before !== undefined && step <= before) {
      found.push(problem(['release', 'steps', index], `expected more than the step before (${before}), got ${step}`));
    }
  });
  if (release.holdback !== undefined && (steps.at(-1) ?? 0) > 100 - holdback) {
    found.push(
      problem(['release', 'holdback'], `expected at most ${100 - (steps.at(-1) ?? 0)}%, what the last step leaves`)
    );
  }
  const before = typeof release.approval === 'object' ? release.approval.before : undefined;
  if (before !== undefined && before <= (steps[0] ?? 0)) {
    const message = `expected more than the first step (${steps[0]}%), got ${before}%: before any traffic people are asked by gate.approval`;
    found.push(problem(['release', 'approval', 'before'], message));
  }
  for (const name of ['errors', 'slow'] as const) {
    const limits = release.guardrails?.[name];
    if (typeof limits !== 'object') continue;
    const { worseThan = modelDefaults[name].worseThan, safeBelow = modelDefaults[name].safeBelow } = limits;
    if (safeBelow <= worseThan) {
      const message = `expected safeBelow above worseThan, got ${safeBelow}x and ${worseThan}x: between them lies "not decided yet"`;
      found.push(problem(['release', 'guardrails', name, 'safeBelow'], message));
    }
  }
  if (release.alpha !== undefined && (release.alpha <= 0 || release.alpha > 0.5)) {
    found.push(problem(['release', 'alpha'], `expected above 0% and at most 50%, got ${release.alpha}`));
  }
  return [...found, ...checkTimes(release), ...checkApproval(release.approval, ['release', 'approval'])];
}

function checkTimes(release: NonNullable<ModelSections['release']>): readonly FoundProblem[] {
  const look = release.lookEvery ?? modelDefaults.lookEveryMs;
  const step = release.stepDeadline ?? modelDefaults.stepDeadlineMs;
  const total = release.totalDeadline ?? modelDefaults.totalDeadlineMs;
  const lease = release.lease ?? modelDefaults.leaseMs;
  const found: FoundProblem[] = [];
  if (look > step) {
    found.push(problem(['release', 'lookEvery'], 'expected at most stepDeadline: a step needs at least one look'));
  }
  if (step > total) found.push(problem(['release', 'stepDeadline'], 'expected at most totalDeadline'));
  const { bake = modelDefaults.bakeMs, holdback = modelDefaults.holdbackPercent } = release;
  // Without a holdback nothing is left to compare with at 100 %: there is no bake.
  if (holdback > 0 && bake >= total) {
    const path = release.bake === undefined ? ['release', 'totalDeadline'] : ['release', 'bake'];
    const times = `expected a bake (${written(bake)}) shorter than totalDeadline (${written(total)})`;
    const why = "that runs from the canary's start, so it would be rolled back before its bake is over";
    found.push(problem(path, `${times}: ${why}`, 'write a shorter bake, a longer totalDeadline, or holdback: 0%'));
  }
  if (typeof lease === 'number' && lease < 2 * look) {
    const path = release.lease === undefined ? ['release', 'lookEvery'] : ['release', 'lease'];
    found.push(
      problem(
        path,
        `expected a lease (${lease} ms) of at least twice lookEvery (${look} ms), so that one late look does not roll back`
      )
    );
  }
  return found;
}

function checkWatch({ watch, task = 'binary' }: ModelSections): readonly FoundProblem[] {
  const loss = watch?.loss;
  if (typeof loss !== 'object') return [];
  const found: FoundProblem[] = [];
  if (task !== 'binary') {
    found.push(
      problem(
        ['watch', 'loss'],
        `a labelled loss is watched for task binary only in this version, not ${task}`,
        'write none'
      )
    );
  }
  const { tolerate = modelDefaults.loss.tolerate } = loss;
  const clip = loss.clip ?? (loss.metric === 'brier' ? 1 : modelDefaults.loss.clip);
  if (tolerate >= clip)
    found.push(problem(['watch', 'loss', 'tolerate'], `expected less than clip (${clip}), got ${tolerate}`));
  if (loss.metric === 'brier' && clip > 1) {
    found.push(problem(['watch', 'loss', 'clip'], `the Brier loss of one row is at most 1, got ${clip}`));
  }
  return found;
}

function checkCompare({ watch }: ModelSections): readonly FoundProblem[] {
  const compare = watch?.compare;
  if (compare === undefined) return [];
  if (compare.length === 2 && compare[0] === compare[1]) {
    return [problem(['watch', 'compare', 1], `${compare[1]} is there twice`)];
  }
  if (compare.includes('training')) return [];
  return [
    problem(
      ['watch', 'compare'],
      'sameSlot forgives what comes back every season; it cannot stand for what the model was trained on',
      'write [training, sameSlot]'
    ),
  ];
}

function checkRetrain({ retrain, train }: ModelSections): readonly FoundProblem[] {
  const cost = retrain?.atMost?.cost;
  const run = train?.atMost;
  if (typeof cost !== 'object' || typeof run !== 'object') return [];
  if (cost.currency !== run.currency) {
    const message = `expected the currency of train.atMost (${run.currency}), got ${cost.currency}`;
    return [problem(['retrain', 'atMost', 'cost'], message)];
  }
  if (run.amount > cost.amount) {
    return [
      problem(['retrain', 'atMost', 'cost'], `expected at least train.atMost (${run.amount}), got ${cost.amount}`),
    ];
  }
  return [];
}
