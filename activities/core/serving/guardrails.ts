import {
  judgeMetric,
  judgeRollout,
  type Exposures,
  type ExposureStep,
  type MetricJudgement,
  type MetricState,
  type RolloutState,
} from '@retempo/analysis';
import type { ArmCounts, CheckSummary, ReleaseSpec } from '@retempo/workflows/contracts';

// Judges one look of a canary: counts in, an action and its reasons out. No I/O. Which metric is what, and what counts as
// a request, is decided here; the statistics and the order of causes are `judgeMetric` and `judgeRollout`.

/** Counts of both arms while one weight was in force, cumulative over its traffic revisions. */
export interface StepCounts {
  /** Weight of the candidate, whole percent. */
  readonly weight: number;
  /** First revision of the step: names it. */
  readonly revision: string;
  readonly candidate: ArmCounts | null;
  readonly champion: ArmCounts | null;
  /** Units that both versions served; left out where there are none, or no units. */
  readonly mixedUnits?: number;
}

/** What the judge remembers between looks; JSON-safe. */
export interface Judged {
  readonly v: 1;
  readonly steps: readonly StepCounts[];
  readonly metrics: { readonly [name: string]: MetricState };
  readonly rollout: RolloutState;
}

export interface Judgement {
  readonly action: 'rollback' | 'hold' | 'continue' | 'advance';
  readonly checks: readonly CheckSummary[];
  readonly reasons: readonly string[];
  readonly judged: Judged;
}

/** Requests a version is judged on: a caller's own mistakes are nobody's errors. */
const units = (arm: ArmCounts): number => arm.requests - arm.callerErrors;

type Arm = { readonly events: number; readonly trials: number } | null;
const errorsOf = (arm: ArmCounts | null): Arm => (arm === null ? null : { events: arm.errors, trials: units(arm) });
const slowOf = (arm: ArmCounts | null): Arm =>
  arm === null || arm.slow === null ? null : { events: Math.min(arm.slow, units(arm)), trials: units(arm) };

/** Replaces the counts of the current step; a new revision at another weight begins a new step. Steps are never pooled. */
export function withStep(before: Judged | null, step: StepCounts): readonly StepCounts[] {
  const steps = before?.steps ?? [];
  const last = steps.at(-1);
  return last !== undefined && last.revision === step.revision ? [...steps.slice(0, -1), step] : [...steps, step];
}

/** Where the canary stands; deadlines and approvals are the workflow's. */
export interface StepPosition {
  /** Index into the weights, from 0. */
  readonly index: number;
  readonly elapsedMs: number;
}

const untestedSplit =
  'the split is not tested: the endpoint keeps the requests of one unit together and does not count units';

/** What was assigned, each once: units, or requests where every one is assigned on its own; null where nobody counted. */
const assigned = ({ units: kept, requests }: ArmCounts): number | null => (kept === undefined ? requests : kept);

/**
 * A few busy units are no wrong split: units are counted once. Reference: progressive-delivery 2.1, sample-ratio checks on
 * de-duplicated units.
 */
function exposuresOf(steps: readonly StepCounts[]): Exposures | null {
  const counted: ExposureStep[] = [];
  let isSticky = false;
  for (const { weight, candidate, champion } of steps) {
    // Of an arm that is not known nothing can be said; its guardrails are without data.
    if (weight <= 0 || weight >= 100 || candidate === null || champion === null) continue;
    const arms = { candidate: assigned(candidate), champion: assigned(champion) };
    if (arms.candidate === null || arms.champion === null) return null;
    counted.push({ candidate: arms.candidate, champion: arms.champion, expectedShare: weight / 100 });
    // Who was with the candidate at one weight is there at every higher one.
    isSticky ||= candidate.units !== undefined;
  }
  return { steps: counted, isSticky, multiple: steps.reduce((sum, { mixedUnits = 0 }) => sum + mixedUnits, 0) };
}

/** Longer than any step: the workflow has the deadline, because it also has the pauses. */
const noDeadlineSeconds = 1e9;

/** Judges all guardrails of a release over its steps. */
export function judgeLook(
  release: ReleaseSpec,
  position: StepPosition,
  steps: readonly StepCounts[],
  before: Judged | null
): Judgement {
  const { errors, slow } = release.guardrails;
  const judge = (name: string, arm: (counts: ArmCounts | null) => Arm, limits: typeof errors): MetricJudgement => {
    const previous = before?.metrics[name];
    return judgeMetric({
      spec: {
        name,
        worseThan: limits.worseThan,
        safeBelow: limits.safeBelow,
        ignoreBelow: limits.ignoreBelow,
        overdispersion: limits.overdispersion,
      },
      steps: steps.map(({ weight, candidate, champion }) => ({
        weight,
        candidate: arm(candidate),
        champion: arm(champion),
      })),
      alpha: release.alpha,
      ...(previous === undefined ? {} : { previous }),
    });
  };
  const judgements: { readonly name: string; readonly judgement: MetricJudgement }[] = [
    { name: 'errors', judgement: judge('errors', errorsOf, errors) },
  ];
  if (slow !== null) judgements.push({ name: 'slow', judgement: judge('slow', slowOf, slow) });
  const current = steps.at(-1);
  const weights = [...release.steps, 100 - release.holdbackPercent];
  const exposures = exposuresOf(steps);
  const { action, reasons, warnings, state } = judgeRollout({
    strategy: { steps: weights.map((weight) => ({ weight })), stepSeconds: noDeadlineSeconds },
    metrics: judgements.map(({ name, judgement }) => ({
      name,
      role: 'guardrail',
      verdict: judgement.verdict,
      reasons: judgement.reasons,
    })),
    exposures,
    step: {
      index: position.index,
      elapsedSeconds: position.elapsedMs / 1000,
      units: { candidate: current?.candidate?.requests ?? 0, champion: current?.champion?.requests ?? 0 },
    },
    ...(before === null ? {} : { previous: before.rollout }),
  });
  const told = [
    ...judgements.flatMap(({ judgement }) => judgement.reasons),
    ...(exposures === null ? [untestedSplit] : []),
  ];
  return {
    action: action === 'promote' ? 'advance' : action,
    checks: judgements.map(({ name, judgement }) => summary(name, judgement)),
    // The numbers first: what passed is as much worth knowing as what did not.
    reasons: [
      ...new Set(
        action === 'advance' || action === 'promote' ? [...told, ...reasons] : [...reasons, ...told, ...warnings]
      ),
    ],
    judged: {
      v: 1,
      steps,
      metrics: Object.fromEntries(judgements.map(({ name, judgement }) => [name, judgement.state])),
      rollout: state,
    },
  };
}

/**
 * The same look when its source says that counts are still to come: what failed has failed, but nothing has passed, and a
 * split that looks wrong may be right.
 *
 * @param watermark until when the source has counted, ISO 8601
 */
export function asIncomplete(judgement: Judgement, watermark: string): Judgement {
  if (judgement.action === 'rollback') return judgement;
  const why = `counts are complete until ${watermark} only`;
  return {
    ...judgement,
    action: 'continue',
    checks: judgement.checks.map((check) =>
      check.verdict === 'pass' ? { ...check, verdict: 'inconclusive', reason: `${why}; so far ${check.reason}` } : check
    ),
    reasons: [why, ...judgement.reasons],
  };
}

const bounded = (value: number): number | null => (Number.isFinite(value) ? value : null);

function summary(name: string, j: MetricJudgement): CheckSummary {
  return {
    name,
    verdict: j.verdict,
    estimate: j.estimate === null ? null : bounded(j.estimate),
    lower: bounded(j.lower),
    upper: bounded(j.upper),
    threshold: j.worseThan,
    n: j.n,
    reason: j.reasons.join('; '),
  };
}
