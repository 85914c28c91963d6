import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CanaryState, Observation, ReleaseSpec } from '../contracts/index.js';
import {
  afterLook,
  approveStep,
  begin,
  canaryWait,
  currentWeight,
  giveUp,
  initialCanary,
  pauseCanary,
  resumeCanary,
  weightsOf,
  type CanaryMove,
} from './canary.js';
import { look, minute, release as twoSteps } from './canary.test.support.js';

/** Every step and, before the second, a person. */
const release: ReleaseSpec = {
  ...twoSteps,
  steps: [5, 25, 50],
  approval: { quorum: 1, from: [], expiresMs: 120 * minute, beforePercent: 25 },
};
const start = (at = 0, spec = release) => begin(initialCanary(at), spec, at);

describe('13: what a canary waits for has an end', () => {
  const { state: step } = start();
  const proven = (state: CanaryState) => afterLook(state, look('advance'), release, minute).state;
  const asking = proven(proven(step));
  const approved = afterLook(approveStep(asking), look('advance'), release, minute).state;
  const baking = afterLook(approved, look('advance'), release, minute).state;
  const held = afterLook(step, look('hold'), release, minute).state;
  const total = { until: 600 * minute, outcome: 'rolled back' };
  it.each<readonly [string, CanaryState, { readonly until: number; readonly outcome: string }]>([
    ['a step: its deadline', step, { until: 60 * minute, outcome: 'without proof rolled back' }],
    ['an approval: its expiry', asking, { until: 121 * minute, outcome: 'rejected' }],
    [
      'an approval while paused: its expiry',
      pauseCanary(asking, 'ann', 'r', 0),
      { until: 121 * minute, outcome: 'rejected' },
    ],
    ['a bake: its end', baking, { until: 31 * minute, outcome: 'promoted' }],
    ['paused: the total deadline', pauseCanary(step, 'ann', 'why', 0), total],
    ['held: the total deadline', held, total],
    ['a late step: the total deadline comes first', { ...step, stepStartedAt: 599 * minute }, total],
  ])('%s', (_, state, wait) => {
    expect(canaryWait(state, release, minute)).toEqual(wait);
    // And so it is: nothing ends it before, and then something does.
    const action = state.phase === 'held' ? 'hold' : state.phase === 'baking' ? 'advance' : 'continue';
    const before = afterLook(state, look(action), release, wait.until - 1).state;
    expect([before.step, before.phase, before.rollback]).toEqual([state.step, state.phase, null]);
    const after = afterLook(state, look(action), release, wait.until).state;
    expect(after.rollback?.result ?? after.phase).toBe(
      { 'without proof rolled back': 'rolledBack', 'rolled back': 'rolledBack', promoted: 'promoting' }[wait.outcome] ??
        wait.outcome
    );
  });

  it('an approval that is waited for is not ended by the deadline of a step that is proven', () => {
    const later = afterLook(asking, look('continue'), release, 100 * minute).state;
    expect([later.phase, later.rollback]).toEqual(['awaitingApproval', null]);
  });

  it('nor does that deadline end a step that was approved: the next proof may take another look', () => {
    const approved = approveStep(asking);
    const later = afterLook(approved, look('continue'), release, 100 * minute);
    expect([later.move.kind, later.state.phase, later.state.rollback]).toEqual(['stay', 'step', null]);
    expect(canaryWait(approved, release, 100 * minute).until).toBe(approved.startedAt + release.totalDeadlineMs);
    // The step that follows is another proof, with a deadline of its own.
    const next = afterLook(approved, look('advance'), release, 100 * minute).state;
    expect(canaryWait(next, release, 100 * minute).until).toBe(100 * minute + release.stepDeadlineMs);
  });

  it('a bake that is over without proof has the deadline of a step, and names no moment that has passed', () => {
    const late = canaryWait(baking, release, 31 * minute);
    expect(late).toEqual({ until: minute + release.stepDeadlineMs, outcome: 'without proof rolled back' });
  });

  it('says what follows a step without proof, as configured', () => {
    expect(canaryWait(step, { ...release, onInconclusive: 'hold' }, minute).outcome).toBe('without proof held');
  });
});

describe('canary step machine', () => {
  it('goes through every weight, the approval and the bake, one proven step at a time', () => {
    let { state, move } = start();
    const weights = [(move as { weight: number }).weight];
    let now = 0;
    for (let i = 0; i < 50 && move.kind !== 'finish'; i++) {
      now += minute;
      if (state.approvalUntil !== null) state = approveStep(state);
      if (state.bakeUntil !== null) now = state.bakeUntil;
      ({ state, move } = afterLook(state, look('advance'), release, now));
      if (move.kind === 'setWeight') weights.push(move.weight);
    }
    expect(weights).toEqual([5, 25, 50, 99]);
    expect(move.kind).toBe('finish');
  });

  it('needs no bake without a holdback: 100 % leaves nothing to compare with', () => {
    const plain = { ...release, holdbackPercent: 0, approval: null, steps: [50] };
    const first = begin(initialCanary(0), plain, 0);
    expect(first.move).toEqual({ kind: 'setWeight', weight: 50 });
    expect(afterLook(first.state, look('advance'), plain, 1).move.kind).toBe('finish');
  });

  it('waits for an approval before the guarded percent, judges meanwhile, and gives up when nobody comes', () => {
    const { state } = start();
    const at25 = afterLook(state, look('advance'), release, minute);
    expect(at25.move).toEqual({ kind: 'setWeight', weight: 25 });
    const waiting = afterLook(at25.state, look('advance'), release, 2 * minute);
    expect(waiting.move.kind).toBe('stay');
    expect(waiting.state.phase).toBe('awaitingApproval');
    expect(afterLook(waiting.state, look('rollback'), release, 3 * minute).move.kind).toBe('rollback');
    const late = afterLook(waiting.state, look('advance'), release, 123 * minute);
    expect(late.state.rollback?.result).toBe('rejected');
    const approved = afterLook(approveStep(waiting.state), look('advance'), release, 4 * minute);
    expect(approved.move).toEqual({ kind: 'setWeight', weight: 50 });
  });

  it('does not advance without an advance of the judge, and ends at the step deadline', () => {
    const { state } = start();
    expect(afterLook(state, look('continue'), release, minute).move.kind).toBe('stay');
    expect(afterLook(state, look('hold'), release, minute).state.heldBecause).toBe('because hold');
    expect(afterLook(state, look('continue'), release, 60 * minute).state.rollback?.by).toBe('deadline');
    const holding = { ...release, onInconclusive: 'hold' as const };
    const held = afterLook(state, look('continue'), holding, 60 * minute);
    expect([held.move.kind, held.state.phase]).toEqual(['stay', 'held']);
    expect(afterLook(held.state, look('continue'), holding, 600 * minute).move.kind).toBe('rollback');
  });

  it('mends foreign weights twice and holds at the third time', () => {
    let { state } = start();
    for (const strike of [1, 2]) {
      const turn = afterLook(state, look('continue', false), release, strike);
      expect(turn.move).toEqual({ kind: 'setWeight', weight: 5 });
      state = turn.state;
    }
    const third = afterLook(state, look('advance', false), release, 3);
    expect([third.move.kind, third.state.phase]).toEqual(['stay', 'held']);
    expect(third.state.heldBecause).toMatch(/^somebody else keeps changing the weights .*: stop it, then resume$/);
  });

  it('17: a pause freezes weight and step time but not the guardrails', () => {
    const { state } = start();
    const paused = pauseCanary(state, 'op', 'lunch', 10 * minute);
    expect(afterLook(paused, look('advance'), release, 20 * minute).move.kind).toBe('stay');
    expect(afterLook(paused, look('rollback'), release, 20 * minute).move.kind).toBe('rollback');
    const resumed = resumeCanary(paused, 50 * minute);
    expect(resumed.stepStartedAt - state.stepStartedAt).toBe(40 * minute);
    expect(afterLook(resumed, look('continue'), release, 99 * minute).move.kind).toBe('stay');
    expect(afterLook(resumed, look('continue'), release, 100 * minute).move.kind).toBe('rollback');
  });
});

type Command =
  | {
      readonly kind: 'look';
      readonly action: Observation['action'];
      readonly intended: boolean;
      readonly minutes: number;
    }
  | { readonly kind: 'pause' | 'resume' | 'approve' | 'promote' | 'rollback' | 'abort' };
const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('look' as const),
      action: fc.constantFrom(
        'advance' as const,
        'advance' as const,
        'continue' as const,
        'hold' as const,
        'rollback' as const
      ),
      intended: fc.boolean(),
      minutes: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('pause' as const, 'resume' as const, 'approve' as const, 'promote' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('rollback' as const, 'abort' as const) }) }
);
const releases = fc.record({
  steps: fc
    .uniqueArray(fc.integer({ min: 1, max: 98 }), { minLength: 1, maxLength: 5 })
    .map((list) => list.sort((a, b) => a - b)),
  holdbackPercent: fc.constantFrom(0, 1),
  onInconclusive: fc.constantFrom('hold' as const, 'rollback' as const),
  approval: fc.constantFrom(null, release.approval),
});

describe('canary, random commands (invariants 1, 2, 3, 13, 17)', () => {
  it('holds on every random walk', () => {
    fc.assert(
      fc.property(releases, fc.array(commands, { maxLength: 80 }), (some, list) => {
        const spec: ReleaseSpec = { ...release, ...some };
        let now = 0;
        let { state, move }: { state: CanaryState; move: CanaryMove } = begin(initialCanary(0), spec, 0);
        let weight = (move as { weight?: number }).weight ?? 0;
        let ended = false;
        for (const command of list) {
          if (ended) break;
          const before = state;
          if (command.kind === 'look') {
            now += command.minutes * minute;
            ({ state, move } = afterLook(state, look(command.action, command.intended), spec, now));
            if (move.kind === 'setWeight') {
              // 1: whole percents of the plan only.
              expect(weightsOf(spec)).toContain(move.weight);
              const rises = move.weight > weight;
              // 2: up only on an advance of the judge, or past it by a person's promote; one step at a time.
              if (rises) {
                expect(command.action === 'advance' || before.promotedBy !== null).toBe(true);
                expect(command.action).not.toBe('rollback');
                expect(before.paused).toBeNull();
                expect(weightsOf(spec).indexOf(move.weight)).toBe(before.step + 1);
              }
              // 3: never again after a rollback.
              expect(before.rollback).toBeNull();
              weight = move.weight;
            }
            if (command.action === 'rollback') expect(move.kind).toBe('rollback');
            if (move.kind === 'rollback') {
              weight = 0;
              ended = true;
            }
            if (move.kind === 'finish') {
              expect(before.step).toBeGreaterThanOrEqual(spec.steps.length - 1);
              expect(before.rollback).toBeNull();
              ended = true;
            }
          } else if (command.kind === 'pause') state = pauseCanary(state, 'op', 'r', now);
          else if (command.kind === 'resume') state = resumeCanary(state, now);
          else if (command.kind === 'approve' && state.approvalUntil !== null) state = approveStep(state);
          else if (command.kind === 'promote') state = { ...resumeCanary(state, now), promotedBy: 'op' };
          else if (command.kind === 'rollback' || command.kind === 'abort') {
            ({ state } = giveUp(state, 'by hand', 'op', command.kind === 'abort' ? 'aborted' : 'rolledBack'));
            expect(currentWeight(state, spec)).toBe(0);
          }
          // 3: the first rollback is absorbing.
          if (before.rollback !== null) expect(state.rollback).toEqual(before.rollback);
          expect(JSON.parse(JSON.stringify(state))).toEqual(state);
        }
        // 13: whatever happened, looking on ends it within the total deadline.
        if (!ended) {
          const last = afterLook(state, look('continue'), spec, state.startedAt + spec.totalDeadlineMs);
          expect(last.move.kind).toBe('rollback');
        }
      }),
      { numRuns: 5_000 }
    );
  });
});
