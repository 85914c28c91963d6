import { readChampion } from './champion.js';
import type { Decision, Installation, Limits, ModelSpec } from './contracts/index.js';
import { comeBack, decisionsPerSave, noteUnfinished } from './domain/governor/recovery.js';
import type { GovernorState } from './domain/governor/state.js';
import { controlReads } from './proxies.js';

export interface GovernorInput {
  readonly v: 1;
  readonly installation: Installation;
  readonly spec: ModelSpec;
  readonly specDigest: string;
  /** Carried over continue-as-new; absent on the first run, which loads the last saved snapshot. */
  readonly state?: GovernorState;
  /** Decisions of that state that are still to be saved, oldest first: a governor that is never idle takes them along. */
  readonly unsaved?: readonly Decision[];
  /** Runs whose end has still to reach the monitor. */
  readonly monitorResets?: readonly string[];
}

/** Decisions that are saved together, with the state that the last of them led to. */
interface Batch {
  readonly decisions: readonly Decision[];
  readonly state: GovernorState;
}

/**
 * What a governor remembers, and how much of it the registry holds. Decisions wait here in batches until they are saved.
 * Every batch carries the state of its own last decision: a snapshot never counts a decision that is not saved yet, so a
 * governor that is terminated between two saves comes back exactly as far as it had come.
 */
export class GovernorMemory {
  private present: GovernorState | null = null;
  private waiting: Batch[] = [];
  private savedRevision = 0;
  private savedRun: string | null = null;

  /** False until the registry has been asked: nothing can be decided before. */
  get known(): boolean {
    return this.present !== null;
  }

  get state(): GovernorState {
    return this.present!;
  }

  /** Revision that the registry is known to hold. */
  get saved(): number {
    return this.savedRevision;
  }

  get allSaved(): boolean {
    return this.waiting.length === 0;
  }

  /** Begins with a state of which the last decisions are still to be saved. */
  restore(state: GovernorState, unsaved: readonly Decision[]): void {
    this.present = state;
    this.savedRevision = state.revision - unsaved.length;
    this.waiting = unsaved.length === 0 ? [] : [{ decisions: unsaved, state }];
    this.savedRun = unsaved.length === 0 ? (state.running?.runId ?? null) : null;
  }

  /** Takes over a state that follows from the present one; what was decided on the way waits to be saved. */
  take(next: GovernorState): void {
    const decisions = next.decisions.slice(0, next.revision - this.state.revision).toReversed();
    this.present = next;
    if (decisions.length === 0) return;
    const last = this.waiting.at(-1);
    if (last !== undefined && last.decisions.length + decisions.length <= decisionsPerSave) {
      this.waiting[this.waiting.length - 1] = { decisions: [...last.decisions, ...decisions], state: next };
    } else {
      this.waiting.push({ decisions, state: next });
    }
  }

  /** Saves what is decided now, batch by batch; what is decided meanwhile waits for the next time. */
  async save(write: (batch: Batch) => Promise<void>): Promise<void> {
    const { revision } = this.state;
    while (this.savedRevision < revision) {
      const batch = this.waiting.shift()!;
      await write(batch);
      this.savedRevision = batch.state.revision;
      this.savedRun = batch.state.running?.runId ?? null;
    }
  }

  /** True when a governor that came back now would know of this run. */
  knowsRun(runId: string): boolean {
    return this.savedRun === runId;
  }

  /** What a new run is begun with, or null while there is too much to be saved first. */
  get handOver(): { readonly state: GovernorState; readonly unsaved: readonly Decision[] } | null {
    if (this.waiting.length > 1) return null;
    return { state: this.state, unsaved: this.waiting[0]?.decisions ?? [] };
  }
}

/**
 * What a governor begins with: the registry knows what was decided and what serves. `noted` adds, where there is something to
 * tell, what became of a save that was cut short.
 */
export async function recoverGovernor(limits: Limits, model: string) {
  const { snapshot, recorded } = await controlReads(limits, `memory of ${model}`).loadGovernor({ model });
  const { champion } = await readChampion(limits, model);
  const saved = snapshot as unknown as GovernorState | null;
  return {
    state: { ...comeBack(saved, recorded, Date.now()), champion: champion?.version ?? null },
    noted: (state: GovernorState) => noteUnfinished(state, saved?.revision ?? 0, recorded, Date.now()),
  };
}
