import { AnalysisInputError } from '../errors.js';
import {
  reject,
  requireArray,
  requireCount,
  requireFinite,
  requireNonNegative,
  requireObject,
  requireOneOf,
  requirePositive,
  requireShare,
} from '../input.js';
import type { JudgeRolloutInput, MetricRole, RolloutRules, RolloutState, StrategyStep } from './judge-rollout-types.js';
import type { Verdict } from './judge-metric-types.js';

const ROLES: readonly MetricRole[] = ['guardrail', 'goal', 'signal', 'info'];
const VERDICTS: readonly Verdict[] = ['pass', 'fail', 'inconclusive', 'noData', 'error'];

/** {@link RolloutRules} with every default filled in. */
export type ResolvedRules = Required<RolloutRules>;

const requireStep = (field: string, step: StrategyStep, before: number): void => {
  requireObject(field, step);
  requireFinite(`${field}.weight`, step.weight);
  if (step.weight <= before || step.weight > 100) {
    reject(`${field}.weight`, `above ${before} and at most 100 percent`, step.weight);
  }
  requireNonNegative(`${field}.holdSeconds`, step.holdSeconds ?? 0);
  requireCount(`${field}.minUnitsPerArm`, step.minUnitsPerArm ?? 0);
};

const requireMetrics = ({ metrics }: JudgeRolloutInput): void => {
  requireArray('metrics', metrics);
  const names = new Set<string>();
  for (const [i, metric] of metrics.entries()) {
    requireObject(`metrics[${i}]`, metric);
    if (typeof metric.name !== 'string' || metric.name === '') reject(`metrics[${i}].name`, 'a name', metric.name);
    if (names.has(metric.name))
      throw new AnalysisInputError(`metrics[${i}].name`, `must be unique, got ${metric.name} twice`);
    names.add(metric.name);
    requireOneOf(`metrics[${i}].role`, metric.role, ROLES);
    requireOneOf(`metrics[${i}].verdict`, metric.verdict, VERDICTS);
  }
};

const requireState = (previous: RolloutState): void => {
  requireObject('previous', previous);
  if (previous.v !== 1) reject('previous.v', '1', previous.v);
  requireFinite('previous.srmLogBayesFactor', previous.srmLogBayesFactor);
  if (previous.rolledBack !== null && typeof previous.rolledBack !== 'string') {
    reject('previous.rolledBack', 'null or a reason', previous.rolledBack);
  }
  requireObject('previous.errorStreaks', previous.errorStreaks);
  requireObject('previous.missingSince', previous.missingSince);
  const { guardrails = [] } = previous;
  requireArray('previous.guardrails', guardrails);
  for (const [i, name] of guardrails.entries()) {
    if (typeof name !== 'string') reject(`previous.guardrails[${i}]`, 'a name', name);
  }
};

/** Fills in the defaults and checks everything; throws `AnalysisInputError`. */
export const resolveRollout = (
  input: JudgeRolloutInput
): { readonly rules: ResolvedRules; readonly step: StrategyStep } => {
  requireObject('input', input);
  const { strategy, exposures, step, previous } = input;
  requireObject('strategy', strategy);
  requireArray('strategy.steps', strategy.steps, 1);
  let before = 0;
  for (const [i, planned] of strategy.steps.entries()) {
    requireStep(`strategy.steps[${i}]`, planned, before);
    before = planned.weight;
  }
  const rules: ResolvedRules = {
    onGuardrailFailure: 'rollback',
    onSrm: 'hold',
    onInconclusive: 'hold',
    srmAlpha: 0.001,
    consecutiveErrorLimit: 4,
    noDataSeconds: 3_600,
    stepSeconds: 86_400,
    ...strategy,
  };
  requireOneOf('strategy.onGuardrailFailure', rules.onGuardrailFailure, ['rollback', 'hold']);
  requireOneOf('strategy.onSrm', rules.onSrm, ['hold', 'rollback', 'warn']);
  requireOneOf('strategy.onInconclusive', rules.onInconclusive, ['hold', 'rollback']);
  requireShare('strategy.srmAlpha', rules.srmAlpha);
  requireCount('strategy.consecutiveErrorLimit', rules.consecutiveErrorLimit);
  requireNonNegative('strategy.noDataSeconds', rules.noDataSeconds);
  requirePositive('strategy.stepSeconds', rules.stepSeconds);
  requireMetrics(input);

  requireObject('step', step);
  requireCount('step.index', step.index);
  const current = strategy.steps[step.index];
  if (current === undefined)
    throw new AnalysisInputError('step.index', `must be below ${strategy.steps.length}, got ${step.index}`);
  requireNonNegative('step.elapsedSeconds', step.elapsedSeconds);
  requireObject('step.units', step.units);
  requireCount('step.units.candidate', step.units.candidate);
  requireCount('step.units.champion', step.units.champion);
  if ((current.monitored ?? true) && !input.metrics.some(({ role }) => role === 'guardrail')) {
    throw new AnalysisInputError('metrics', 'must hold at least one guardrail for a monitored step');
  }
  if (exposures !== null) {
    requireObject('exposures', exposures);
    requireArray('exposures.steps', exposures.steps);
    for (const [i, arm] of exposures.steps.entries()) {
      requireObject(`exposures.steps[${i}]`, arm);
      requireCount(`exposures.steps[${i}].candidate`, arm.candidate);
      requireCount(`exposures.steps[${i}].champion`, arm.champion);
      requireShare(`exposures.steps[${i}].expectedShare`, arm.expectedShare);
    }
    requireCount('exposures.multiple', exposures.multiple ?? 0);
    if (typeof (exposures.isSticky ?? false) !== 'boolean')
      reject('exposures.isSticky', 'true or false', exposures.isSticky);
  }
  if (previous !== undefined) requireState(previous);
  return { rules, step: current };
};
