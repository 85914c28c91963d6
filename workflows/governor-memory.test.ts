import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decision, RetrainSpec } from './contracts/index.js';
import { answerTrigger, comeBack, initialGovernor, type GovernorState } from './domain/index.js';
import { GovernorMemory } from './governor-memory.js';

const policy: RetrainSpec = {
  on: { drift: true, everyMs: null, events: [] },
  cooldownMs: 1,
  atMost: { runs: 9, cost: null, perMs: 1_000 },
  breakerAfter: 3,
  minGain: 0,
};
let asked = 0;

/** A governor's next decision: the first starts a run, the others join it. */
const decideOnce = (state: GovernorState): GovernorState => {
  const id = `e${++asked}`;
  const trigger = { kind: 'event', source: 's', id, cause: `about ${id}`, at: '', actor: 's' } as const;
  return answerTrigger(state, trigger, { model: 'm', policy, now: 0 }).state;
};

function memoryWith(decisions: number): GovernorMemory {
  const memory = new GovernorMemory();
  memory.restore(initialGovernor(0), []);
  for (let n = 0; n < decisions; n++) memory.take(decideOnce(memory.state));
  return memory;
}

/** What a registry keeps: every decision, and the last snapshot. */
function registry() {
  const decisions: Decision[] = [];
  const kept: { snapshot: GovernorState | null } = { snapshot: null };
  const write = (batch: { readonly decisions: readonly Decision[]; readonly state: GovernorState }) => {
    decisions.push(...batch.decisions);
    kept.snapshot = batch.state;
    return Promise.resolve();
  };
  return { decisions, kept, write };
}

const killed = new Error('killed');

describe('what a governor remembers', () => {
  it('however many decisions wait and wherever it dies, a snapshot counts exactly the decisions that were saved', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 900 }), fc.nat(5), async (many, survives) => {
        const memory = memoryWith(many);
        const { decisions, kept, write } = registry();
        let writes = 0;
        await memory
          .save((batch) => (writes++ === survives ? Promise.reject(killed) : write(batch)))
          .catch((error: unknown) => expect(error).toBe(killed));
        expect(decisions.map(({ n }) => n)).toEqual(Array.from(decisions, (_, i) => i + 1));
        expect(kept.snapshot?.revision ?? 0).toBe(decisions.length);
        expect(memory.saved).toBe(decisions.length);
        // Whoever comes back decides on from there, under the next number.
        const back = new GovernorMemory();
        back.restore(kept.snapshot ?? initialGovernor(0), []);
        back.take(decideOnce(back.state));
        await back.save(write);
        expect(decisions.map(({ n }) => n)).toEqual(Array.from(decisions, (_, i) => i + 1));
      }),
      { numRuns: 60 }
    );
  });

  it('dies between the record and the snapshot of a save: whoever comes back gives no number twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 500 }), fc.nat(2), async (many, survives) => {
        const memory = memoryWith(many);
        const { decisions, kept, write } = registry();
        let writes = 0;
        await memory
          .save((batch) => {
            if (writes++ < survives) return write(batch);
            decisions.push(...batch.decisions);
            return Promise.reject(killed);
          })
          .catch((error: unknown) => expect(error).toBe(killed));
        const back = new GovernorMemory();
        back.restore(comeBack(kept.snapshot, Math.max(0, ...decisions.map(({ n }) => n!)), 0), []);
        for (let more = 0; more < 3; more++) back.take(decideOnce(back.state));
        await back.save(write);
        const numbers = decisions.map(({ n }) => n!);
        expect(new Set(numbers).size).toBe(numbers.length);
        expect(kept.snapshot?.revision).toBe(numbers.at(-1));
      }),
      { numRuns: 60 }
    );
  });

  it('a save is small enough for one payload, whatever came at once', async () => {
    const memory = memoryWith(450);
    const sizes: number[] = [];
    await memory.save(({ decisions }) => {
      sizes.push(decisions.length);
      return Promise.resolve();
    });
    expect(sizes).toEqual([200, 200, 50]);
  });

  it('what is decided during a save waits for the next one: a storm does not keep a save from ending', async () => {
    const memory = memoryWith(3);
    const { decisions, write } = registry();
    await memory.save(async (batch) => {
      memory.take(decideOnce(memory.state));
      await write(batch);
    });
    expect([decisions.length, memory.saved, memory.allSaved]).toEqual([3, 3, false]);
    await memory.save(write);
    expect([decisions.length, memory.saved, memory.allSaved]).toEqual([4, 4, true]);
  });

  it('knows a run when its decision is saved, and not before', async () => {
    const memory = memoryWith(1);
    const { runId } = memory.state.running!;
    expect(memory.knowsRun(runId)).toBe(false);
    await memory.save(registry().write);
    expect(memory.knowsRun(runId)).toBe(true);
    const back = new GovernorMemory();
    back.restore(memory.state, []);
    expect(back.knowsRun(runId)).toBe(true);
  });

  it('hands over what is not saved yet, and the next run saves it; more than one save has to be saved first', async () => {
    expect(memoryWith(201).handOver).toBeNull();
    const { state, unsaved } = memoryWith(150).handOver!;
    const next = new GovernorMemory();
    next.restore(state, unsaved);
    expect([next.saved, next.allSaved, next.knowsRun(next.state.running!.runId)]).toEqual([0, false, false]);
    const { decisions, write } = registry();
    await next.save(write);
    expect(decisions.map(({ n }) => n)).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
  });

  it('that begins anew with all saved has nothing to save, and no run that is not on record', async () => {
    const before = memoryWith(3);
    await before.save(registry().write);
    const next = new GovernorMemory();
    next.restore(before.state, []);
    const { decisions, write } = registry();
    await next.save(write);
    expect([next.saved, next.allSaved, decisions]).toEqual([3, true, []]);
    expect(next.handOver).toEqual({ state: before.state, unsaved: [] });
    next.take(decideOnce(next.state));
    await next.save(write);
    expect([next.saved, decisions.map(({ n }) => n)]).toEqual([4, [4]]);
  });

  it('a change without a decision is not saved by itself', async () => {
    const memory = memoryWith(1);
    const { decisions, write } = registry();
    await memory.save(write);
    memory.take({ ...memory.state, running: { ...memory.state.running!, phase: 'gate' } });
    expect(memory.allSaved).toBe(true);
    await memory.save(write);
    expect(decisions).toHaveLength(1);
  });
});
