import type { GovernorPhase, GovernorStatus, ModelSpec, RetrainSpec } from '../../contracts/index.js';
import { timeText } from '../times.js';
import { budgetFreeAt, coolUntil, holds, startsInPeriod } from './answers.js';
import type { GovernorState } from './state.js';

const iso = (at: number) => new Date(at).toISOString();

export function phaseOf(state: GovernorState, policy: RetrainSpec, now: number): GovernorPhase {
  if (state.running !== null) return 'running';
  if (state.paused !== null) return 'paused';
  if (holds(state, now)) return 'hold';
  if (state.next !== null) return 'waiting';
  if (state.drift !== null) {
    return coolUntil(state) > now || budgetFreeAt(state, policy, now) > now ? 'waiting' : 'confirmed';
  }
  return state.suspect === null ? 'healthy' : 'suspect';
}

/** One line: what happens, why, until when, and what one can do. */
export function sentenceOf(state: GovernorState, policy: RetrainSpec, now: number): string {
  const causes = (n: number) => (n === 1 ? '1 cause' : `${n} causes`);
  switch (phaseOf(state, policy, now)) {
    case 'running': {
      const { runId, phase, cause, causes: n, waitingFor } = state.running!;
      return `run ${runId} is ${phase === 'open' ? 'starting' : `in phase ${phase}`}: ${cause} (${causes(n)})${waitingFor === null ? '' : `; waits for ${waitingFor.what}${waitingFor.until === null ? '' : ` until ${timeText(Date.parse(waitingFor.until), now)}`}`}`;
    }
    case 'paused':
      return `paused by ${state.paused!.by}: ${state.paused!.reason}; nothing starts before it is resumed`;
    case 'hold':
      return state.hold!.until === null
        ? `on hold: ${state.hold!.reason}; nothing starts before it is resumed`
        : `on hold until ${timeText(state.hold!.until, now)}: ${state.hold!.reason}`;
    case 'waiting': {
      const free = budgetFreeAt(state, policy, now);
      const until = Math.max(coolUntil(state), free);
      const what =
        state.next === null ? state.drift!.reason : `${state.next.cause} (${causes(state.next.causes)} recorded)`;
      if (until <= now) return `about to start: ${what}`;
      return free > Math.max(now, coolUntil(state))
        ? `the budget of runs is used up until ${timeText(until, now)}: ${what}`
        : `cooldown ends ${timeText(until, now)}: ${what}`;
    }
    case 'confirmed':
      return policy.on.drift
        ? `drift confirmed: ${state.drift!.reason}`
        : `drift confirmed, but retrain.on.drift is off: ${state.drift!.reason}`;
    case 'suspect':
      return `one bad window: ${state.suspect!.reason}`;
    case 'healthy':
      return state.champion === null
        ? 'no version serves yet; ask for a first retrain'
        : `${state.champion} serves; nothing asks for a retrain`;
  }
}

/** What a governor runs with. */
export type GovernorDigests = Pick<GovernorStatus, 'specDigest' | 'installationDigest'>;

export function statusOf(
  state: GovernorState,
  { model, retrain: policy }: ModelSpec,
  digests: GovernorDigests,
  now: number
): GovernorStatus {
  return {
    v: 1,
    model,
    phase: phaseOf(state, policy, now),
    sentence: sentenceOf(state, policy, now),
    champion: state.champion,
    running:
      state.running === null
        ? null
        : { runId: state.running.runId, phase: state.running.phase, since: iso(state.running.since) },
    next: state.next === null ? null : { runId: state.next.runId, causes: state.next.causes },
    waitingFor: state.running?.waitingFor ?? null,
    cooldownUntil: coolUntil(state) > now ? iso(coolUntil(state)) : null,
    cooldownFactor: state.cooldownFactor,
    budget: { used: startsInPeriod(state, policy, now).length, of: policy.atMost.runs, perMs: policy.atMost.perMs },
    ...digests,
  };
}
