import { describe, expect, it } from 'vitest';
import type { CanaryState, ReleaseSpec } from '../contracts/index.js';
import {
  afterLook,
  approveStep,
  begin,
  currentWeight,
  giveUp,
  initialCanary,
  notBegun,
  pauseCanary,
  resumeCanary,
  type CanaryTurn,
} from './canary.js';
import { look, minute, release, type Action } from './canary.test.support.js';

// What each rule of the step machine is there for, one by one.

const asking: ReleaseSpec = {
  ...release,
  approval: { quorum: 1, from: [], expiresMs: 20 * minute, beforePercent: 5 },
};
const start = () => begin(initialCanary(0), release, 0).state;
const after = (state: CanaryState, action: Action, at: number, spec = release): CanaryTurn =>
  afterLook(state, look(action), spec, at * minute);
const foreign = (state: CanaryState, at: number): CanaryTurn =>
  afterLook(state, look('continue', false), release, at * minute);
/** As the button of the canary does it. */
const promoted = (state: CanaryState, at: number): CanaryState => ({
  ...resumeCanary(state, at * minute),
  promotedBy: 'ann',
});

it('while it is deployed a candidate has no traffic', () => {
  expect(currentWeight(initialCanary(0), release)).toBe(0);
});

describe('a person promotes', () => {
  it.each(['hold', 'continue', 'advance'] as const)('what is not proven is skipped: %s', (action) => {
    const second = after(promoted(start(), 1), action, 2);
    expect(second.move).toEqual({ kind: 'setWeight', weight: 25 });
    const last = after(second.state, action, 3);
    expect(last.move).toEqual({ kind: 'setWeight', weight: 99 });
    // The bake too.
    expect(after(last.state, action, 4).move).toEqual({ kind: 'finish' });
  });

  it('a guardrail that failed is not', () => {
    expect(after(promoted(start(), 1), 'rollback', 2).move.kind).toBe('rollback');
  });

  it('nor is the approval that was asked for', () => {
    const turn = after(promoted(start(), 1), 'continue', 2, asking);
    expect([turn.move.kind, turn.state.phase]).toEqual(['stay', 'awaitingApproval']);
  });

  it('nor are weights that somebody else has set', () => {
    expect(foreign(promoted(start(), 1), 2).move).toEqual({ kind: 'setWeight', weight: 5 });
  });
});

describe('an approval', () => {
  it('has the time it was given, however often one looks meanwhile', () => {
    const asked = after(start(), 'advance', 1, asking).state;
    expect(asked.approvalUntil).toBe(21 * minute);
    const later = after(asked, 'advance', 20, asking).state;
    expect(later.approvalUntil).toBe(21 * minute);
    const late = after(later, 'advance', 21, asking).state;
    expect(late.rollback).toEqual({
      reason: 'nobody approved in time; ask for a retrain to ask again',
      by: 'deadline',
      result: 'rejected',
    });
  });

  it.each([0, 1])('before 100 % is asked for when all else is proven: a holdback of %s %', (holdbackPercent) => {
    const last: ReleaseSpec = { ...asking, holdbackPercent, approval: { ...asking.approval!, beforePercent: 99 } };
    let { state, move } = after(start(), 'advance', 1, last);
    for (let at = 2; state.approvalUntil === null && move.kind !== 'finish'; at += 30) {
      ({ state, move } = after(state, 'advance', at, last));
    }
    expect([state.phase, move.kind]).toEqual(['awaitingApproval', 'stay']);
    expect(after(approveStep(state), 'advance', 100, last).move.kind).toBe('finish');
  });

  it('is over when it is given: the next step has none', () => {
    const approved = approveStep(after(start(), 'advance', 1, asking).state);
    expect([approved.approvalUntil, approved.approvedSteps]).toEqual([null, [1]]);
    const second = after(approved, 'advance', 2, asking);
    expect([second.move, second.state.approvalUntil]).toEqual([{ kind: 'setWeight', weight: 25 }, null]);
    expect(after(second.state, 'continue', 30, asking).state.phase).toBe('step');
  });

  it('that was given is not asked for again by a look without proof', () => {
    const approved = approveStep(after(start(), 'advance', 1, asking).state);
    const waiting = after(approved, 'continue', 2, asking).state;
    expect([waiting.phase, waiting.approvalUntil]).toEqual(['step', null]);
  });
});

describe('a pause', () => {
  it('begins once: a second one neither takes it over nor starts its time again', () => {
    const first = pauseCanary(start(), 'ann', 'lunch', 10 * minute);
    expect(pauseCanary(first, 'bob', 'coffee', 20 * minute)).toBe(first);
  });

  it('stops the bake: what is left of it is left afterwards', () => {
    const baking = after(after(start(), 'advance', 1).state, 'advance', 2).state;
    expect(baking.bakeUntil).toBe(32 * minute);
    const resumed = resumeCanary(pauseCanary(baking, 'ann', 'lunch', 10 * minute), 25 * minute);
    expect(resumed.bakeUntil).toBe(47 * minute);
    expect(after(resumed, 'advance', 46).move.kind).toBe('stay');
    expect(after(resumed, 'advance', 47).move.kind).toBe('finish');
  });

  it('of a step begins no bake', () => {
    const resumed = resumeCanary(pauseCanary(start(), 'ann', 'lunch', 10 * minute), 25 * minute);
    expect([resumed.bakeUntil, resumed.stepStartedAt]).toEqual([null, 15 * minute]);
  });

  it('does not stop the total deadline', () => {
    const paused = pauseCanary(start(), 'ann', 'holidays', 10 * minute);
    expect(after(paused, 'advance', 600).state.rollback?.result).toBe('rolledBack');
  });
});

describe('a hold', () => {
  const inconclusive = { ...release, onInconclusive: 'hold' as const };
  const held = after(start(), 'continue', 60, inconclusive).state;

  it('for want of data ends by itself when there are data again', () => {
    const noData = after(start(), 'hold', 1).state;
    expect([noData.phase, noData.heldBecause]).toEqual(['held', 'because hold']);
    const again = after(noData, 'continue', 2).state;
    expect([again.phase, again.heldBecause]).toEqual(['step', null]);
    expect(after(noData, 'advance', 2).move).toEqual({ kind: 'setWeight', weight: 25 });
    expect(after(noData, 'advance', 2).state.heldBecause).toBeNull();
  });

  it('at the deadline of a step says why; a person who resumes gives the step its time again', () => {
    expect(held.heldBecause).toBe(
      'no proof either way within the step deadline; because continue; resume, promote or roll back'
    );
    const resumed = resumeCanary(held, 70 * minute);
    expect([resumed.heldBecause, resumed.stepStartedAt]).toEqual([null, 70 * minute]);
    expect(after(resumed, 'continue', 129, inconclusive).state.phase).toBe('step');
    expect(after(resumed, 'continue', 130, inconclusive).state.phase).toBe('held');
  });

  it('does not keep a guardrail from failing', () => {
    expect(after(held, 'rollback', 61).move.kind).toBe('rollback');
  });

  it('for foreign weights: a person who resumes gives three strikes again', () => {
    let state = start();
    for (const strike of [1, 2, 3]) ({ state } = foreign(state, strike));
    expect([state.phase, state.strikes]).toEqual(['held', 3]);
    state = resumeCanary(state, 4 * minute);
    expect(state.strikes).toBe(0);
    for (const strike of [5, 6]) {
      const turn = foreign(state, strike);
      expect(turn.move).toEqual({ kind: 'setWeight', weight: 5 });
      ({ state } = turn);
    }
    expect(foreign(state, 7).move.kind).toBe('stay');
  });

  it('a resume after a pause is no pardon', () => {
    const struck = foreign(foreign(start(), 1).state, 2).state;
    const resumed = resumeCanary(pauseCanary(struck, 'ann', 'lunch', 3 * minute), 4 * minute);
    expect([resumed.strikes, foreign(resumed, 5).state.phase]).toEqual([2, 'held']);
  });
});

describe('a step that could not be begun', () => {
  const first = start();
  const paused = pauseCanary(first, 'ann', 'lunch', minute);

  it('is not begun: the canary has the step and the time that it had', () => {
    const next = after(first, 'advance', 20).state;
    expect(notBegun(next, first)).toEqual({ ...first, looks: 1 });
    const last = after(next, 'advance', 21).state;
    const { step, stepStartedAt, bakeUntil } = notBegun(last, next);
    expect([step, stepStartedAt, bakeUntil]).toEqual([1, 20 * minute, null]);
  });

  it('is another than weights that could not be set right: who resumed meanwhile has resumed', () => {
    const mending = foreign(paused, 2).state;
    const resumed = resumeCanary(mending, 50 * minute);
    expect(notBegun(resumed, paused)).toBe(resumed);
    expect(resumed.stepStartedAt).toBe(49 * minute);
  });
});

describe('a bake', () => {
  it('is not cut short by the deadline of a step; when it is over without proof that deadline counts', () => {
    const long: ReleaseSpec = { ...release, bakeMs: 90 * minute };
    const baking = after(after(start(), 'advance', 1, long).state, 'advance', 2, long).state;
    for (const at of [62, 91]) expect(after(baking, 'continue', at, long).state.phase).toBe('baking');
    expect(after(baking, 'continue', 92, long).state.rollback?.by).toBe('deadline');
    expect(after(baking, 'advance', 92, long).move.kind).toBe('finish');
  });
});

describe('a step', () => {
  it('has its own time: the one before does not count', () => {
    const second = after(start(), 'advance', 50).state;
    expect(second.stepStartedAt).toBe(50 * minute);
    expect(after(second, 'continue', 109).state.rollback).toBeNull();
    expect(after(second, 'continue', 110).state.rollback?.by).toBe('deadline');
  });

  it('every look is counted, whatever follows from it', () => {
    let state = start();
    for (const action of ['continue', 'hold', 'advance'] as const) ({ state } = after(state, action, 1));
    ({ state } = foreign(state, 2));
    ({ state } = after(state, 'rollback', 3));
    expect(state.looks).toBe(5);
  });
});

describe('every way back says why', () => {
  it.each<readonly [string, CanaryTurn, object]>([
    ['a guardrail', after(start(), 'rollback', 1), { by: 'judge', result: 'rolledBack', reason: 'because rollback' }],
    [
      'the step deadline',
      after(start(), 'continue', 60),
      {
        by: 'deadline',
        result: 'rolledBack',
        reason: 'no proof either way within the step deadline; because continue',
      },
    ],
    [
      'the total deadline',
      after(start(), 'hold', 600),
      { by: 'deadline', result: 'rolledBack', reason: 'no decision within the total deadline; because hold' },
    ],
    ['a person', giveUp(start(), 'not today', 'ann', 'aborted'), { by: 'ann', result: 'aborted', reason: 'not today' }],
  ])('%s', (_, turn, rollback) => {
    expect([turn.state.phase, turn.move]).toEqual(['rollingBack', { kind: 'rollback' }]);
    expect(turn.state.rollback).toEqual(rollback);
  });
});
