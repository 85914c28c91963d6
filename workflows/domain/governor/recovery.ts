import type { GovernorState } from './state.js';
import { decided, initialGovernor } from './state.js';
import { decision } from './transitions.js';

/** Most decisions of one save: keeps it, and what a new run is begun with, well below the size limit of a payload. */
export const decisionsPerSave = 200;

/**
 * What a governor begins with that finds `snapshot` in the registry, and `recorded` as the highest number of a decision. Its
 * numbers lie above all that a save of the governor before it can still write, however late that arrives: no decision takes
 * the number of another, and no older snapshot replaces a newer one. A save that was cut short has recorded decisions that
 * nobody was answered and that nothing followed from; the record says so.
 */
export function comeBack(snapshot: GovernorState | null, recorded: number, now: number): GovernorState {
  if (snapshot === null && recorded === 0) return initialGovernor(now);
  const state = snapshot ?? initialGovernor(now);
  const known = Math.max(state.revision, recorded);
  return { ...state, revision: known + decisionsPerSave };
}

/** Tells about decisions of a save that was cut short; unchanged where there are none. */
export function noteUnfinished(state: GovernorState, last: number, recorded: number, now: number): GovernorState {
  if (recorded <= last) return state;
  const which = recorded === last + 1 ? `decision ${recorded} is` : `decisions ${last + 1} to ${recorded} are`;
  const reason = `${which} on record, but the governor was ended before anybody was answered or anything followed; whoever asked asks again`;
  return decided(state, decision(now, 'governor', 'came back', reason));
}
