import type { RetrainSpec, Trigger } from '../../contracts/index.js';
import type { GovernorState } from './state.js';

/** What stands in the way of a run, strongest first. */
export type Standing =
  'paused' | 'holding' | 'runOpen' | 'runFrozen' | 'nextReserved' | 'overBudget' | 'coolingDown' | 'idle';

export const standings: readonly Standing[] = [
  'paused',
  'holding',
  'runOpen',
  'runFrozen',
  'nextReserved',
  'overBudget',
  'coolingDown',
  'idle',
];

/**
 * - `start`: a new run begins now.
 * - `join`: the running run carries it, its data snapshot is not taken yet.
 * - `reserve`: recorded on the one next run.
 * - `refuse`: not recorded; the caller is told why and when to come back.
 * - `note`: recorded as drift or age; looked at again when the obstacle is gone. Never an answer to a caller.
 */
export type Treatment = 'start' | 'join' | 'reserve' | 'refuse' | 'note';

/**
 * The governor's answers: state x source. A person with `force` gets `start` wherever no run is in the way (and `reserve`
 * where one is), which is the last column. Everything a governor decides about triggers is in this table.
 */
export const answerTable: {
  readonly [standing in Standing]: { readonly [source in Trigger['kind'] | 'forced']: Treatment };
} = {
  paused: { person: 'refuse', event: 'reserve', schedule: 'note', drift: 'note', forced: 'refuse' },
  holding: { person: 'refuse', event: 'reserve', schedule: 'note', drift: 'note', forced: 'start' },
  runOpen: { person: 'join', event: 'join', schedule: 'join', drift: 'join', forced: 'join' },
  runFrozen: { person: 'reserve', event: 'reserve', schedule: 'note', drift: 'note', forced: 'reserve' },
  nextReserved: { person: 'reserve', event: 'reserve', schedule: 'note', drift: 'note', forced: 'start' },
  overBudget: { person: 'refuse', event: 'refuse', schedule: 'note', drift: 'note', forced: 'start' },
  coolingDown: { person: 'reserve', event: 'reserve', schedule: 'note', drift: 'note', forced: 'start' },
  idle: { person: 'start', event: 'start', schedule: 'start', drift: 'start', forced: 'start' },
};

/** Starts that still count against the budget. */
export function startsInPeriod(state: GovernorState, policy: RetrainSpec, now: number): readonly number[] {
  return state.starts.filter((at) => at > now - policy.atMost.perMs);
}

/** When the budget allows the next run; `now` or earlier when it already does. */
export function budgetFreeAt(state: GovernorState, policy: RetrainSpec, now: number): number {
  const starts = startsInPeriod(state, policy, now);
  const blocking = starts[starts.length - policy.atMost.runs];
  return blocking === undefined ? now : blocking + policy.atMost.perMs;
}

/** When the cooldown is over; it only protects a champion that serves, so without one there is none. */
export const coolUntil = (state: GovernorState): number => (state.champion === null ? 0 : state.cooldownUntil);

export function standingOf(state: GovernorState, policy: RetrainSpec, now: number): Standing {
  // A run that has not frozen its data yet takes every cause, whatever else is the matter: nothing new is started.
  if (state.running?.phase === 'open') return 'runOpen';
  if (state.paused !== null) return 'paused';
  if (state.running !== null) return 'runFrozen';
  if (holds(state, now)) return 'holding';
  if (state.next !== null) return 'nextReserved';
  if (budgetFreeAt(state, policy, now) > now) return 'overBudget';
  if (coolUntil(state) > now) return 'coolingDown';
  return 'idle';
}

export function holds(state: GovernorState, now: number): boolean {
  return state.hold !== null && (state.hold.until === null || state.hold.until > now);
}

export function treatmentOf(trigger: Trigger, standing: Standing): Treatment {
  const forced = trigger.force === true && trigger.kind === 'person';
  return answerTable[standing][forced ? 'forced' : trigger.kind];
}
