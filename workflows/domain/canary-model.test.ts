import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CanaryState, ReleaseSpec } from '../contracts/index.js';
import {
  blindReason,
  CanaryModel,
  type Button,
  type Face,
  type Order,
  type Sight,
} from './canary-model.test.support.js';
import {
  afterLook,
  approveStep,
  begin,
  blindLook,
  canaryWait,
  currentWeight,
  giveUp,
  initialCanary,
  notBegun,
  pauseCanary,
  resumeCanary,
  type CanaryMove,
  type CanaryTurn,
} from './canary.js';
import { look, minute, release, type Action } from './canary.test.support.js';

// The step machine beside a model of it, command by command: what is to be done next, and all that can be seen.

type Command =
  | { readonly kind: 'clock'; readonly minutes: number }
  /** Until what it waits for is due, or a minute off. */
  | { readonly kind: 'due'; readonly off: number }
  | {
      readonly kind: 'look';
      readonly action: Action;
      readonly asIntended: boolean;
      /** Of the write that follows from the look, if one does: what a person presses and how long it takes meanwhile. */
      readonly write: { readonly done: boolean; readonly press: Button | null; readonly minutes: number };
    }
  | { readonly kind: 'blind' }
  | { readonly kind: 'press'; readonly button: Button }
  | { readonly kind: 'vote'; readonly yes: boolean }
  /** Temporal's Cancel. */
  | { readonly kind: 'cancel' }
  | { readonly kind: 'wayBack'; readonly readBack: boolean }
  /** Continue-as-new: the state goes through JSON. */
  | { readonly kind: 'anew' };

/** The machine in the hands of its workflow: does what a turn orders, and says how it went. */
class Rig {
  now = 0;
  /** Percent of the candidate in force. */
  share = 0;
  result: string | null = null;
  state: CanaryState = initialCanary(0);
  private writing: CanaryState | null = null;
  private readonly spec: ReleaseSpec;

  constructor(spec: ReleaseSpec) {
    this.spec = spec;
  }

  turn({ state, move }: CanaryTurn): Order {
    const before = this.state;
    this.state = state;
    if (move.kind === 'setWeight' || move.kind === 'finish') this.writing = before;
    return orderOf(move);
  }

  begin(): Order {
    return this.turn(begin(this.state, this.spec, this.now));
  }

  look({ action, asIntended, blind }: Sight): Order {
    const seen = blind ? blindLook(blindReason) : look(action, asIntended);
    return this.turn(afterLook(this.state, seen, this.spec, this.now));
  }

  /** How the write ended that the last turn ordered. */
  written(done: boolean, order: Order): Order {
    const before = this.writing!;
    this.writing = null;
    if (done) {
      this.share = order.do === 'write' ? order.share : 100;
      return this.state.rollback === null ? { do: 'nothing' } : { do: 'goBack' };
    }
    this.state = notBegun(this.state, before);
    return this.look({ action: 'hold', asIntended: true, blind: true });
  }

  press(button: Button): void {
    const { state, now } = this;
    if (state.rollback !== null) return;
    if (button === 'pause') this.state = pauseCanary(state, 'ann', 'lunch', now);
    else if (button === 'resume') this.state = resumeCanary(state, now);
    else if (button === 'promote') this.state = { ...resumeCanary(state, now), promotedBy: 'ann' };
    else this.state = giveUp(state, 'by hand', 'ann', button === 'abort' ? 'aborted' : 'rolledBack').state;
  }

  vote(yes: boolean): void {
    const { state } = this;
    if (state.approvalUntil === null || state.rollback !== null) return;
    this.state = yes ? approveStep(state) : giveUp(state, 'not this one', 'bob', 'rejected').state;
  }

  cancel(): void {
    if (this.state.phase === 'rollbackBlocked') return;
    this.state = giveUp(this.state, 'cancelled', 'operator', 'aborted').state;
  }

  end(result: string): void {
    this.result = result;
    this.state = { ...this.state, phase: 'ended' };
  }

  wayBack(readBack: boolean): void {
    if (!readBack) {
      this.state = { ...this.state, phase: 'rollbackBlocked' };
      return;
    }
    this.share = 0;
    this.end(this.state.rollback!.result);
  }

  get face(): Face {
    const { state, spec, now } = this;
    const { phase, looks, heldBecause, rollback } = state;
    const wait = rollback === null && this.result === null ? canaryWait(state, spec, now) : null;
    return {
      phase,
      share: currentWeight(state, spec),
      looks,
      held: rollback === null ? heldBecause : null,
      paused: state.paused !== null,
      waits: wait === null ? null : { minutes: (wait.until - now) / minute, outcome: wait.outcome },
      end: rollback === null ? null : { result: rollback.result, by: rollback.by, reason: rollback.reason },
    };
  }
}

function orderOf(move: CanaryMove): Order {
  if (move.kind === 'setWeight') return { do: 'write', share: move.weight };
  return { do: ({ stay: 'nothing', rollback: 'goBack', finish: 'giveAll' } as const)[move.kind] };
}

/** Plays one command to both, and compares them after every part of it. */
class Match {
  readonly rules: string[] = [];
  private readonly model: CanaryModel;
  private readonly rig: Rig;
  /** Percent that the candidate has by the model's orders alone. */
  private share = 0;

  constructor(spec: ReleaseSpec) {
    [this.model, this.rig] = [new CanaryModel(spec), new Rig(spec)];
    this.carryOut(this.model.begin(), this.rig.begin(), { done: true, press: null, minutes: 0 });
  }

  get result(): string | null {
    return this.rig.result;
  }

  get over(): boolean {
    return this.result !== null;
  }

  play(command: Command): void {
    const { model, rig } = this;
    switch (command.kind) {
      case 'clock':
        this.wait(command.minutes);
        break;
      case 'due':
        this.wait(Math.max(0, (model.face.waits?.minutes ?? 0) + command.off));
        break;
      case 'look':
        this.look({ ...command, blind: false }, command.write);
        break;
      case 'blind':
        this.look({ action: 'hold', asIntended: true, blind: true });
        break;
      case 'press':
        model.press(command.button);
        rig.press(command.button);
        break;
      case 'vote':
        model.vote(command.yes);
        rig.vote(command.yes);
        break;
      case 'cancel':
        model.cancel();
        rig.cancel();
        break;
      case 'wayBack':
        if (rig.state.rollback !== null) this.wayBack(command.readBack);
        break;
      case 'anew':
        rig.state = JSON.parse(JSON.stringify(rig.state)) as CanaryState;
    }
    this.compare();
  }

  look(sight: Sight, write = { done: true, press: null as Button | null, minutes: 0 }): void {
    const { rule, order } = this.model.look(sight);
    this.rules.push(rule);
    this.carryOut(order, this.rig.look(sight), write);
  }

  wait(minutes: number): void {
    this.model.clock(minutes);
    this.rig.now += minutes * minute;
  }

  wayBack(readBack: boolean): void {
    this.model.wentBack(readBack);
    this.rig.wayBack(readBack);
    if (readBack) this.share = 0;
  }

  private carryOut(expected: Order, order: Order, write: (Command & { kind: 'look' })['write']): void {
    const { model, rig } = this;
    expect(order).toEqual(expected);
    if (expected.do !== 'write' && expected.do !== 'giveAll') return;
    // Until the write is done nobody can say how long the next step will have.
    const { waits: _, ...ordered } = model.face;
    expect(rig.face).toMatchObject(ordered);
    if (write.press !== null) {
      model.press(write.press);
      rig.press(write.press);
    }
    this.wait(write.minutes);
    const next = rig.written(write.done, order);
    if (write.done) this.share = expected.do === 'write' ? expected.share : 100;
    if (!write.done || expected.do === 'write') expect(next).toEqual(model.written(write.done));
    else {
      expect(next).toEqual(model.gaveAll());
      if (next.do === 'nothing') rig.end('promoted');
    }
  }

  private compare(): void {
    const { model, rig } = this;
    expect(rig.face).toEqual(model.face);
    expect([rig.share, rig.result]).toEqual([this.share, model.result]);
  }
}

const someButton = (weights: { readonly [button in Button]: number }): fc.Arbitrary<Button> =>
  fc.oneof(
    ...Object.entries(weights).map(([button, weight]) => ({ weight, arbitrary: fc.constant(button as Button) }))
  );
const mostly = (yes: number): fc.Arbitrary<boolean> =>
  fc.oneof({ weight: yes, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) });
const someMinutes = fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 30 }));

const commands: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('clock' as const), minutes: someMinutes }) },
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constant('look' as const),
      action: fc.oneof(
        { weight: 40, arbitrary: fc.constant('advance' as const) },
        { weight: 30, arbitrary: fc.constant('continue' as const) },
        { weight: 10, arbitrary: fc.constant('hold' as const) },
        { weight: 1, arbitrary: fc.constant('rollback' as const) }
      ),
      asIntended: mostly(5),
      write: fc.record({
        done: mostly(5),
        press: fc.option(someButton({ pause: 6, resume: 10, promote: 2, rollback: 1, abort: 1 }), { freq: 3 }),
        minutes: someMinutes,
      }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('due' as const), off: fc.constantFrom(-1, 0, 0, 1) }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'blind' } as const) },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant('press' as const),
      button: someButton({ pause: 20, resume: 30, promote: 6, rollback: 1, abort: 1 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('vote' as const), yes: mostly(8) }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('wayBack' as const), readBack: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'anew' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'cancel' } as const) }
);

const time = (max: number) => fc.integer({ min: 1, max }).map((minutes) => minutes * minute);
const plans: fc.Arbitrary<ReleaseSpec> = fc
  .uniqueArray(fc.integer({ min: 1, max: 98 }), { minLength: 1, maxLength: 3 })
  .map((list) => list.toSorted((a, b) => a - b))
  .chain((steps) =>
    fc.record({
      steps: fc.constant(steps),
      holdbackPercent: fc.constantFrom(0, 1, 2),
      onInconclusive: fc.constantFrom('hold' as const, 'rollback' as const),
      bakeMs: time(40),
      stepDeadlineMs: time(40),
      totalDeadlineMs: time(600),
      // The first step is never beyond what needs nobody: a configuration that says otherwise is refused.
      approval: fc.option(
        fc.record({
          quorum: fc.constant(1),
          from: fc.constant([]),
          expiresMs: time(60),
          beforePercent: fc.oneof(fc.integer({ min: steps[0]!, max: 99 }), fc.constantFrom(...steps, 98, 99)),
        })
      ),
    })
  )
  .map((some) => ({ ...release, ...some }));

describe('canary beside its model', () => {
  it('2, 3, 13, 17: does and shows the same after every command, whatever comes', () => {
    const applied = new Set<string>();
    const results = new Set<string>();
    fc.assert(
      fc.property(plans, fc.array(commands, { maxLength: 80, size: 'max' }), (spec, list) => {
        const match = new Match(spec);
        for (const command of list) {
          if (match.over) break;
          match.play(command);
        }
        // 13: left alone it comes to an end, at the latest when the whole time is over.
        if (!match.over) {
          match.play({ kind: 'clock', minutes: spec.totalDeadlineMs / minute });
          match.play({ kind: 'blind' });
          match.play({ kind: 'wayBack', readBack: false });
          match.play({ kind: 'wayBack', readBack: true });
        }
        expect(match.over).toBe(true);
        for (const rule of match.rules) applied.add(rule);
        results.add(match.result!);
      }),
      { numRuns: 3_000 }
    );
    // Nothing of it was left out.
    expect([...applied].toSorted()).toEqual(new CanaryModel(release).ruleNames.toSorted());
    expect([...results].toSorted()).toEqual(['aborted', 'promoted', 'rejected', 'rolledBack']);
  });
});
