import { countTest, sequentialCombine } from '../sequential/index.js';
import { formatCount, formatNumber, formatPercent } from './judge-metric-reasons.js';
import { resolveRollout, type ResolvedRules } from './judge-rollout-input.js';
import type {
  Exposures,
  JudgeRolloutInput,
  RolloutCause,
  RolloutJudgement,
  RolloutMetric,
  RolloutState,
  StrategyStep,
} from './judge-rollout-types.js';

type Action = RolloutJudgement['action'];

interface Finding {
  readonly action: Action;
  readonly cause: RolloutCause;
  readonly reasons: readonly string[];
}

/** Everything that one rule looks at. */
interface Look {
  readonly input: JudgeRolloutInput;
  readonly rules: ResolvedRules;
  readonly planned: StrategyStep;
  /** By name, so that the order of the input changes nothing. */
  readonly metrics: readonly RolloutMetric[];
  readonly state: RolloutState;
}

const sentences = (metrics: readonly RolloutMetric[], otherwise: string): readonly string[] =>
  metrics.flatMap(({ name, reasons }) =>
    reasons === undefined || reasons.length === 0 ? [`${name}: ${otherwise}`] : reasons
  );

const seconds = (value: number): string => `${formatNumber(value)} s`;

/**
 * ln of the evidence that the split is not the one that was set, over all steps. Steps of new units multiply. Where the same
 * units come again, the largest step counts, against as many chances as the plan has steps.
 */
const srmEvidence = (exposures: Exposures | null, plannedSteps: number): number => {
  if (exposures === null || exposures.steps.length === 0) return 0;
  const logBayesFactors = exposures.steps.map(
    ({ candidate, champion, expectedShare }) =>
      countTest({ candidateEvents: candidate, championEvents: champion, expectedShare }).logBayesFactor
  );
  if (exposures.isSticky !== true) return sequentialCombine({ logBayesFactors }).logBayesFactor;
  return Math.max(...logBayesFactors) - Math.log(Math.max(plannedSteps, logBayesFactors.length));
};

/** The metrics by name. Once a guardrail, always one: leaving it out, or calling it info, must not open the way. */
const everyMetric = ({ metrics, previous }: JudgeRolloutInput): readonly RolloutMetric[] => {
  const guardrails = new Set(previous?.guardrails);
  const given = metrics.map((metric): RolloutMetric =>
    guardrails.has(metric.name) ? { ...metric, role: 'guardrail' } : metric
  );
  const left = [...guardrails].filter((name) => !metrics.some((metric) => metric.name === name));
  const asMissing = left.map((name): RolloutMetric => {
    const reasons = [`${name}: was judged at an earlier look and is not given any more`];
    return { name, role: 'guardrail', verdict: 'noData', reasons };
  });
  return [...given, ...asMissing].sort((a, b) => (a.name < b.name ? -1 : 1));
};

const nextState = (
  { strategy, exposures, step, previous }: JudgeRolloutInput,
  metrics: readonly RolloutMetric[]
): RolloutState => {
  const errorStreaks: Record<string, number> = {};
  const missingSince: Record<string, { step: number; elapsedSeconds: number }> = {};
  for (const { name, verdict } of metrics) {
    if (verdict === 'error') errorStreaks[name] = (previous?.errorStreaks[name] ?? 0) + 1;
    if (verdict !== 'noData') continue;
    const since = previous?.missingSince[name];
    // A new step restarts the clock that is compared with this step's time.
    missingSince[name] = since?.step === step.index ? since : { step: step.index, elapsedSeconds: step.elapsedSeconds };
  }
  const srmLogBayesFactor = Math.max(previous?.srmLogBayesFactor ?? 0, srmEvidence(exposures, strategy.steps.length));
  const guardrails = metrics.filter(({ role }) => role === 'guardrail').map(({ name }) => name);
  return { v: 1, rolledBack: previous?.rolledBack ?? null, srmLogBayesFactor, errorStreaks, guardrails, missingSince };
};

const rolledBack = ({ input }: Look): Finding | null => {
  const why = input.previous?.rolledBack ?? null;
  return why === null
    ? null
    : { action: 'rollback', cause: 'rolledBack', reasons: [`rolled back at an earlier look: ${why}`] };
};

/** Rule 1: a critical bound or a failing guardrail, whatever else is missing. */
const harm = ({ metrics, rules }: Look): Finding | null => {
  const failed = metrics.filter(({ verdict, role }) => verdict === 'fail' && role !== 'info');
  const critical = metrics.filter(({ verdict, critical }) => verdict === 'fail' && critical === true);
  if (critical.length > 0) {
    return { action: 'rollback', cause: 'criticalBound', reasons: sentences(critical, 'its hard bound is broken') };
  }
  const guardrails = failed.filter(({ role }) => role === 'guardrail');
  if (guardrails.length === 0) return null;
  const reasons = sentences(guardrails, 'the guardrail failed');
  return { action: rules.onGuardrailFailure, cause: 'guardrailFailed', reasons };
};

/** Rule 2: the split is not the one that was set, or units saw both arms. */
const assignment = ({ input, rules, state }: Look): Finding | null => {
  if (rules.onSrm === 'warn') return null;
  const [text] = assignmentTexts(input.exposures, rules, state);
  if (text === undefined) return null;
  return { action: rules.onSrm, cause: text.cause, reasons: [text.reason] };
};

const assignmentTexts = (
  exposures: Exposures | null,
  { srmAlpha }: ResolvedRules,
  { srmLogBayesFactor }: RolloutState
): { readonly cause: 'sampleRatio' | 'multipleExposure'; readonly reason: string }[] => {
  const texts: { cause: 'sampleRatio' | 'multipleExposure'; reason: string }[] = [];
  if (srmLogBayesFactor >= -Math.log(srmAlpha)) {
    const now = exposures?.steps.at(-1);
    const counts =
      now === undefined
        ? ''
        : `: ${formatCount(now.candidate)} of ${formatCount(now.candidate + now.champion)} units, ${formatPercent(now.expectedShare)} were meant`;
    const p = formatNumber(Math.exp(-srmLogBayesFactor));
    texts.push({
      cause: 'sampleRatio',
      reason: `the traffic split is not the one that was set (running p ${p} <= ${formatNumber(srmAlpha)})${counts}`,
    });
  }
  const multiple = exposures?.multiple ?? 0;
  if (multiple > 0) {
    texts.push({ cause: 'multipleExposure', reason: `${formatCount(multiple)} units were served by both arms` });
  }
  return texts;
};

/** Metrics whose verdict is needed: guardrails, and goals where any are set. */
const isRequired = ({ role }: RolloutMetric): boolean => role === 'guardrail' || role === 'goal';

/** Rule 3: a required metric has been without data, or in error, for longer than is borne. */
const missing = ({ metrics, rules, state, input }: Look): Finding | null => {
  const reasons = metrics.filter(isRequired).flatMap((metric) => {
    const streak = state.errorStreaks[metric.name] ?? 0;
    if (streak > rules.consecutiveErrorLimit) {
      return [`${metric.name}: ${streak} looks in error in a row, ${rules.consecutiveErrorLimit} are borne`];
    }
    const since = state.missingSince[metric.name];
    if (since === undefined) return [];
    const waited = input.step.elapsedSeconds - since.elapsedSeconds;
    return waited > rules.noDataSeconds
      ? [`${metric.name}: no data for ${seconds(waited)}, ${seconds(rules.noDataSeconds)} are borne`]
      : [];
  });
  return reasons.length === 0 ? null : { action: 'hold', cause: 'missingData', reasons };
};

/** Rule 4: a failing signal holds until it recovers. */
const signal = ({ metrics }: Look): Finding | null => {
  const failed = metrics.filter(({ role, verdict }) => role === 'signal' && verdict === 'fail');
  return failed.length === 0
    ? null
    : { action: 'hold', cause: 'signalFailed', reasons: sentences(failed, 'the signal failed') };
};

/** `continue` until the step's deadline, then what the strategy says. */
const waitFor = (look: Look, cause: RolloutCause, reasons: readonly string[]): Finding => {
  const { rules, input } = look;
  if (input.step.elapsedSeconds < rules.stepSeconds) return { action: 'continue', cause, reasons };
  const late = `no decision within ${seconds(rules.stepSeconds)} of this step: ${rules.onInconclusive}`;
  return { action: rules.onInconclusive, cause: 'deadline', reasons: [late, ...reasons] };
};

/** Rule 5: every guardrail must have passed at this look. */
const guardrailsOpen = (look: Look): Finding | null => {
  if (look.planned.monitored === false) return null;
  const open = look.metrics.filter(({ role, verdict }) => role === 'guardrail' && verdict !== 'pass');
  return open.length === 0 ? null : waitFor(look, 'guardrailsOpen', sentences(open, 'not decided yet'));
};

/** Rule 6: time, units and approval of the step. */
const conditions = (look: Look): Finding | null => {
  const { planned, input } = look;
  const { elapsedSeconds, units, approved = false } = input.step;
  const { holdSeconds = 0, minUnitsPerArm = 0, requireApproval = false } = planned;
  if (elapsedSeconds < holdSeconds) {
    const reason = `${seconds(elapsedSeconds)} of ${seconds(holdSeconds)} at ${formatNumber(planned.weight)} %`;
    return { action: 'continue', cause: 'holdTime', reasons: [reason] };
  }
  const least = Math.min(units.candidate, units.champion);
  if (least < minUnitsPerArm) {
    return waitFor(look, 'minUnits', [
      `${formatCount(least)} of ${formatCount(minUnitsPerArm)} units in the smaller arm`,
    ]);
  }
  if (requireApproval && !approved) {
    return {
      action: 'hold',
      cause: 'approval',
      reasons: [`an approval is needed to leave ${formatNumber(planned.weight)} %`],
    };
  }
  return null;
};

/** Rule 7: at the last step goals must be reached on mature labels. */
const goals = (look: Look): Finding | null => {
  const { metrics, input, rules } = look;
  if (input.step.index < rules.steps.length - 1) return null;
  if (input.step.labelsMature === false) {
    return waitFor(look, 'labels', ['the labels that the last step needs are not mature yet']);
  }
  const wanted = metrics.filter(({ role }) => role === 'goal');
  if (wanted.length === 0 || wanted.some(({ verdict }) => verdict === 'pass')) return null;
  return waitFor(look, 'goalsOpen', sentences(wanted, 'the goal is not reached yet'));
};

const passed = ({ input, rules, planned }: Look): Finding => {
  const last = input.step.index === rules.steps.length - 1;
  const next = rules.steps[input.step.index + 1];
  const done =
    planned.monitored === false ? 'the step is not monitored and its time is over' : 'every guardrail passed';
  const target = last ? 'promote' : `advance to ${formatNumber((next as StrategyStep).weight)} %`;
  return {
    action: last ? 'promote' : 'advance',
    cause: 'passed',
    reasons: [`${done} at ${formatNumber(planned.weight)} %: ${target}`],
  };
};

const RULES: readonly ((look: Look) => Finding | null)[] = [
  rolledBack,
  harm,
  assignment,
  missing,
  signal,
  guardrailsOpen,
  conditions,
  goals,
];

/**
 * Judges a rollout at one look. The first cause decides, in this order (reference 4.3): 1 a critical hard bound or a
 * guardrail `fail`, even if other metrics are missing; 2 a wrong traffic split or units in both arms; 3 a required metric
 * without data or in error past its limit; 4 a failing signal; 5 a guardrail that has not passed (until the step's
 * deadline, then `onInconclusive`); 6 hold time, units, approval; 7 at the last step the goals, of which one must pass.
 * A rollback is absorbing through `previous`, and a metric that was a guardrail once stays one: left out
 * later it is without data. The order of the metrics changes nothing.
 * The traffic split is tested by a two-sided count test per step at `srmAlpha` (.001), valid at every look; the largest
 * evidence so far counts. Guardrails carry their own alpha: give each alpha / k where k of them may roll back.
 * Throws `AnalysisInputError` for a malformed strategy, step, metric or state, and for a monitored step without guardrail.
 */
export const judgeRollout = (input: JudgeRolloutInput): RolloutJudgement => {
  const { rules, step: planned } = resolveRollout(input);
  const metrics = everyMetric(input);
  const state = nextState(input, metrics);
  const look: Look = { input, rules, planned, metrics, state };
  let finding: Finding | null = null;
  for (const rule of RULES) {
    finding = rule(look);
    if (finding !== null) break;
  }
  const { action, cause, reasons } = finding ?? passed(look);
  const shown = metrics.filter(({ role, verdict }) => role === 'info' && verdict === 'fail');
  const warnings = [
    ...(rules.onSrm === 'warn' ? assignmentTexts(input.exposures, rules, state).map(({ reason }) => reason) : []),
    ...sentences(shown, 'failed, but is only shown'),
  ];
  const why = state.rolledBack ?? (action === 'rollback' ? (reasons[0] ?? cause) : null);
  return { action, cause, reasons, warnings, state: { ...state, rolledBack: why } };
};
