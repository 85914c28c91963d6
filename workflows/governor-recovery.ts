import type { Limits } from './contracts/index.js';
import { comeBack, noteUnfinished, type GovernorState } from './domain/index.js';
import { controlReads } from './proxies.js';

/**
 * What a governor begins with: the registry knows what was decided and what serves. `noted` adds, where there is something to
 * tell, what became of a save that was cut short.
 */
export async function recoverGovernor(limits: Limits, model: string) {
  const { snapshot, recorded } = await controlReads(limits).loadGovernor({ model });
  const { champion } = await controlReads(limits).getChampion({ model, anchor: null });
  const saved = snapshot as unknown as GovernorState | null;
  return {
    state: { ...comeBack(saved, recorded, Date.now()), champion: champion?.version ?? null },
    noted: (state: GovernorState) => noteUnfinished(state, saved?.revision ?? 0, recorded, Date.now()),
  };
}
