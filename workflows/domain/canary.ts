import type { CanaryState, Observation, ReleaseSpec } from '../contracts/index.js';

// The canary's step machine: pure functions of (state, look or command, release, now). It never computes a verdict; it
// obeys the judge's action, and a rollback once decided is absorbing (progressive delivery, invariants 2, 3, 13, 17).

/** What the workflow does next. `setWeight` gives the candidate this whole percent and the champion the rest. */
export type CanaryMove =
  | { readonly kind: 'stay' }
  | { readonly kind: 'setWeight'; readonly weight: number }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'finish' };

export interface CanaryTurn {
  readonly state: CanaryState;
  readonly move: CanaryMove;
}

/** Three foreign changes of the weights are somebody working against us, not an accident. */
const mostStrikes = 3;

const stay = (state: CanaryState): CanaryTurn => ({ state, move: { kind: 'stay' } });

export function initialCanary(now: number): CanaryState {
  return {
    phase: 'deploying',
    step: -1,
    stepStartedAt: now,
    startedAt: now,
    bakeUntil: null,
    paused: null,
    heldBecause: null,
    approvedSteps: [],
    approvalUntil: null,
    promotedBy: null,
    strikes: 0,
    looks: 0,
    rollback: null,
  };
}

/** Weights of the candidate, in order: the listed steps, then what is left after the holdback. */
export const weightsOf = (release: ReleaseSpec): readonly number[] => [...release.steps, 100 - release.holdbackPercent];

export const currentWeight = (state: CanaryState, release: ReleaseSpec): number =>
  state.rollback !== null || state.step < 0 ? 0 : (weightsOf(release)[state.step] ?? 100);

/** The candidate is ready: traffic begins at the first step. */
export function begin(state: CanaryState, release: ReleaseSpec, now: number): CanaryTurn {
  return enter(state, 0, release, now);
}

function enter(state: CanaryState, step: number, release: ReleaseSpec, now: number): CanaryTurn {
  const weights = weightsOf(release);
  const weight = weights[step];
  if (weight === undefined) return { state: { ...state, phase: 'promoting' }, move: { kind: 'finish' } };
  const last = step === weights.length - 1;
  // At 100 % there is no control left to compare with: without a holdback there is nothing to bake.
  if (last && weight === 100) return { state: { ...state, step, phase: 'promoting' }, move: { kind: 'finish' } };
  return {
    state: {
      ...state,
      step,
      phase: last ? 'baking' : 'step',
      stepStartedAt: now,
      bakeUntil: last ? now + release.bakeMs : null,
    },
    move: { kind: 'setWeight', weight },
  };
}

/** What of a look decides. */
export type CanaryEvidence = Pick<Observation, 'action' | 'weightsAsIntended' | 'reasons'> & { readonly blind?: true };

/** Stands for a look that could not be taken: it holds, and nobody can skip it. */
export const blindLook = (reason: string): CanaryEvidence => ({
  action: 'hold',
  weightsAsIntended: true,
  reasons: [reason],
  blind: true,
});

/** Decides what follows from one look. */
export function afterLook(state: CanaryState, look: CanaryEvidence, release: ReleaseSpec, now: number): CanaryTurn {
  if (state.rollback !== null) return { state, move: { kind: 'rollback' } };
  const seen: CanaryState = { ...state, looks: state.looks + 1 };
  if (look.action === 'rollback') return giveUp(seen, look.reasons[0] ?? 'a guardrail failed', 'judge', 'rolledBack');
  if (now >= state.startedAt + release.totalDeadlineMs) {
    return giveUp(seen, `no decision within the total deadline; ${look.reasons[0] ?? ''}`, 'deadline', 'rolledBack');
  }
  if (state.approvalUntil !== null && now >= state.approvalUntil) {
    return giveUp(seen, 'nobody approved in time; ask for a retrain to ask again', 'deadline', 'rejected');
  }
  if (!look.weightsAsIntended) {
    const strikes = seen.strikes + 1;
    const struck = { ...seen, strikes };
    if (strikes >= mostStrikes) {
      return stay({
        ...struck,
        phase: 'held',
        heldBecause: 'somebody else keeps changing the weights of this endpoint: stop it, then resume',
      });
    }
    return { state: struck, move: { kind: 'setWeight', weight: currentWeight(state, release) } };
  }
  const skipping = seen.promotedBy !== null && look.blind === undefined;
  if (look.action === 'hold' && !skipping)
    return stay({ ...seen, phase: 'held', heldBecause: look.reasons[0] ?? 'held' });
  const going: CanaryState = { ...seen, heldBecause: null, phase: resumedPhase(seen, release) };
  if (going.paused !== null) return stay(going);
  if (look.action === 'continue' && !skipping) {
    // A bake has at least its own time: it is not cut short by the deadline of a step.
    const until = Math.max(going.bakeUntil ?? 0, going.stepStartedAt + release.stepDeadlineMs);
    if (isProven(going) || now < until) return stay(going);
    const reason = `no proof either way within the step deadline; ${look.reasons[0] ?? ''}`;
    if (release.onInconclusive === 'rollback') return giveUp(going, reason, 'deadline', 'rolledBack');
    return stay({ ...going, phase: 'held', heldBecause: `${reason}; resume, promote or roll back` });
  }
  if (going.bakeUntil !== null && now < going.bakeUntil && !skipping) return stay(going);
  const next = going.step + 1;
  if (needsApproval(going, next, release)) {
    return stay({
      ...going,
      phase: 'awaitingApproval',
      approvalUntil: going.approvalUntil ?? now + (release.approval?.expiresMs ?? 0),
    });
  }
  return enter(going, next, release, now);
}

/** A step that could not be begun: the canary is where it was `before` it, with the time that it had. */
export const notBegun = (state: CanaryState, before: CanaryState): CanaryState =>
  state.step === before.step
    ? state
    : { ...state, step: before.step, stepStartedAt: before.stepStartedAt, bakeUntil: before.bakeUntil };

function resumedPhase(state: CanaryState, release: ReleaseSpec): CanaryState['phase'] {
  if (state.approvalUntil !== null) return 'awaitingApproval';
  return state.step === weightsOf(release).length - 1 ? 'baking' : 'step';
}

/** True when a person must agree before the step `next` begins. */
export function needsApproval(state: CanaryState, next: number, release: ReleaseSpec): boolean {
  if (release.approval === null || state.approvedSteps.includes(next)) return false;
  const weight = weightsOf(release)[next] ?? 100;
  const before = weightsOf(release)[state.step] ?? 0;
  return weight > release.approval.beforePercent && before <= release.approval.beforePercent;
}

/** A step that was proven has the time that an approval has; once approved, the time of the whole canary. */
const isProven = ({ approvalUntil, approvedSteps, step }: CanaryState): boolean =>
  approvalUntil !== null || approvedSteps.includes(step + 1);

export function approveStep(state: CanaryState): CanaryState {
  return { ...state, approvedSteps: [...state.approvedSteps, state.step + 1], approvalUntil: null };
}

/**
 * Until when a canary that nobody stops may stay as it is, and what follows then: the earliest of its deadlines. Every state
 * with traffic has one.
 *
 * @returns `until` in epoch milliseconds
 */
export function canaryWait(
  state: CanaryState,
  release: ReleaseSpec,
  now: number
): { readonly until: number; readonly outcome: string } {
  const end = { until: state.startedAt + release.totalDeadlineMs, outcome: 'rolled back' };
  const own = ownDeadline(state, release, now);
  return own === null || own.until >= end.until ? end : own;
}

function ownDeadline(state: CanaryState, release: ReleaseSpec, now: number) {
  if (state.approvalUntil !== null) return { until: state.approvalUntil, outcome: 'rejected' };
  if (state.paused !== null || state.heldBecause !== null || isProven(state)) return null;
  if (state.bakeUntil !== null && now < state.bakeUntil) return { until: state.bakeUntil, outcome: 'promoted' };
  const outcome = release.onInconclusive === 'rollback' ? 'rolled back' : 'held';
  return { until: state.stepStartedAt + release.stepDeadlineMs, outcome: `without proof ${outcome}` };
}

/** Latches the first reason; later ones, and later good data, change nothing. */
export function giveUp(
  state: CanaryState,
  reason: string,
  by: string,
  result: 'rolledBack' | 'aborted' | 'rejected'
): CanaryTurn {
  return {
    state: { ...state, phase: 'rollingBack', rollback: state.rollback ?? { reason, by, result } },
    move: { kind: 'rollback' },
  };
}

export function pauseCanary(state: CanaryState, by: string, reason: string, now: number): CanaryState {
  return state.paused === null ? { ...state, paused: { by, reason, since: now } } : state;
}

/** Step time and bake time stood still during the pause; the total deadline did not. A hold ends with a resume. */
export function resumeCanary(state: CanaryState, now: number): CanaryState {
  const stood = state.paused === null ? 0 : now - state.paused.since;
  const held = state.heldBecause !== null;
  return {
    ...state,
    paused: null,
    heldBecause: null,
    strikes: held ? 0 : state.strikes,
    stepStartedAt: held ? now : state.stepStartedAt + stood,
    bakeUntil: state.bakeUntil === null ? null : state.bakeUntil + stood,
  };
}
