import { describe, expect, it } from 'vitest';
import { comeBack, decisionsPerSave, noteUnfinished } from './recovery.js';
import { decided, initialGovernor, type GovernorState } from './state.js';

const now = Date.parse('2026-11-21T12:00:00Z');
const saved: GovernorState = { ...initialGovernor(0), revision: 10, seq: 3 };
const next = (state: GovernorState) =>
  decided(state, { at: '', what: 'next', by: 'ann', reason: 'because' }).decisions[0]!.n!;

describe('a governor that comes back', () => {
  it('a new model begins with number 1', () => {
    expect(comeBack(null, 0, now)).toEqual(initialGovernor(now));
    expect(next(comeBack(null, 0, now))).toBe(1);
  });

  it('keeps what it remembers', () => {
    expect(comeBack(saved, 10, now)).toEqual({ ...saved, revision: 10 + decisionsPerSave });
  });

  it.each([
    ['all was saved', saved, 10],
    ['the last save recorded its decisions and not its state', saved, 13],
    ['the very first save did', null, 2],
    ['its record is away', saved, 0],
  ])('%s: its numbers lie above all that an earlier save can still write', (_, snapshot, recorded) => {
    const latest = Math.max(snapshot?.revision ?? 0, recorded);
    expect(next(comeBack(snapshot, recorded, now))).toBeGreaterThan(latest + decisionsPerSave);
  });

  it('says which decisions came to nothing, and only then', () => {
    const state = comeBack(saved, 13, now);
    expect(noteUnfinished(state, 10, 10, now)).toBe(state);
    const [note] = noteUnfinished(state, 10, 13, now).decisions;
    expect(note).toMatchObject({ by: 'governor', what: 'came back' });
    expect(note!.reason).toMatch(/^decisions 11 to 13 are on record, but .* asks again$/);
    expect(noteUnfinished(state, 10, 11, now).decisions[0]!.reason).toMatch(/^decision 11 is on record/);
  });
});
