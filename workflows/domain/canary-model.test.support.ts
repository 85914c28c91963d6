import type { ReleaseSpec } from '../contracts/index.js';
import { minute, type Action } from './canary.test.support.js';

// What a canary has to do, said a second time and in another way: clocks that run down, minute by minute, and one list of
// rules of which the first that applies decides. It has no moments, no index of approved steps and no turn that is taken
// back: a rung is only reached when its write has succeeded.

/** What one look finds. */
export interface Sight {
  readonly action: Action;
  readonly asIntended: boolean;
  /** It could not be taken at all. */
  readonly blind: boolean;
}

/** What the canary has to do next. */
export type Order =
  { readonly do: 'nothing' | 'goBack' | 'giveAll' } | { readonly do: 'write'; readonly share: number };

export type Button = 'pause' | 'resume' | 'promote' | 'rollback' | 'abort';

/** All that can be seen of a canary from outside. */
export interface Face {
  readonly phase: string;
  /** Percent that the candidate is meant to have. */
  readonly share: number;
  readonly looks: number;
  /** Why; null also once it is decided. */
  readonly held: string | null;
  readonly paused: boolean;
  /** Minutes from now until something happens by itself, and what; null once it is decided. */
  readonly waits: { readonly minutes: number; readonly outcome: string } | null;
  readonly end: { readonly result: string; readonly by: string; readonly reason: string } | null;
}

interface Rule {
  readonly name: string;
  readonly applies: (sight: Sight) => boolean;
  readonly does: (sight: Sight) => Order;
}

export const reasonOf = (action: Action): string => `because ${action}`;
export const blindReason = 'nothing was seen';
const nothing: Order = { do: 'nothing' };

export class CanaryModel {
  private readonly plan: ReleaseSpec;
  /** Shares in order; the last is what the holdback leaves. */
  private readonly ladder: readonly number[];
  /** Minutes left of the whole canary. */
  private total: number;
  /** Minutes left to prove this rung. */
  private proof: number;
  /** Minutes left of the bake; null on every rung but the last. */
  private bake: number | null = null;
  /** Minutes left to answer; null when nobody is asked. */
  private answer: number | null = null;
  private rung = -1;
  private agreed = false;
  private hurried = false;
  private paused = false;
  private foreign = 0;
  private held: string | null = null;
  private looks = 0;
  private phase = 'deploying';
  private end: Face['end'] = null;
  private over: string | null = null;
  /** The rung whose write is on its way, and how long that takes already while nobody pauses. */
  private climbing: { readonly to: number; used: number } | null = null;

  constructor(plan: ReleaseSpec) {
    this.plan = plan;
    this.ladder = [...plan.steps, 100 - plan.holdbackPercent];
    this.total = plan.totalDeadlineMs / minute;
    this.proof = plan.stepDeadlineMs / minute;
  }

  /** The first rung, once the candidate is ready. */
  begin(): Order {
    return this.climb(0);
  }

  clock(minutes: number): void {
    for (let i = 0; i < minutes; i++) {
      this.total--;
      if (this.answer !== null) this.answer--;
      if (this.paused) continue;
      this.proof--;
      if (this.bake !== null) this.bake--;
      if (this.climbing !== null) this.climbing.used++;
    }
  }

  look(sight: Sight): { readonly rule: string; readonly order: Order } {
    const rule = this.rules.find(({ applies }) => applies(sight))!;
    if (this.end === null) this.looks++;
    return { rule: rule.name, order: rule.does(sight) };
  }

  /** The write that was ordered is done, or it could not be done: then the canary stays where it was, and says so. */
  written(done: boolean): Order {
    const climbed = this.climbing;
    this.climbing = null;
    if (done && this.end === null && climbed !== null) this.reach(climbed.to, climbed.used);
    if (done) return this.end === null ? nothing : { do: 'goBack' };
    return this.look({ action: 'hold', asIntended: true, blind: true }).order;
  }

  /** The candidate has everything, by read-back. A way back that was asked for meanwhile comes first. */
  gaveAll(): Order {
    if (this.end !== null) return { do: 'goBack' };
    this.over = 'promoted';
    this.phase = 'ended';
    return nothing;
  }

  /** One try to give the champion everything; it is over when that was read back, and not before. */
  wentBack(readBack: boolean): void {
    this.phase = readBack ? 'ended' : 'rollbackBlocked';
    if (readBack) this.over = this.end!.result;
  }

  press(button: Button): void {
    if (this.end !== null) return;
    if (button === 'pause') this.paused = true;
    else if (button === 'rollback') this.goBack('rolledBack', 'ann', 'by hand');
    else if (button === 'abort') this.goBack('aborted', 'ann', 'by hand');
    else {
      this.paused = false;
      // Who ends a hold has seen to its cause: the rung has its time again, and the next foreign change is the first.
      if (this.held !== null) {
        this.foreign = 0;
        this.proof = this.proofTime;
      }
      this.held = null;
      if (button === 'promote') this.hurried = true;
    }
  }

  /** Comes too late once the way back is under way; the first reason stays. */
  cancel(): void {
    if (this.end === null) this.goBack('aborted', 'operator', 'cancelled');
  }

  vote(yes: boolean): void {
    if (this.answer === null || this.end !== null) return;
    if (yes) this.agreed = true;
    else this.goBack('rejected', 'bob', 'not this one');
    if (yes) this.answer = null;
  }

  get ruleNames(): readonly string[] {
    return this.rules.map(({ name }) => name);
  }

  /** What the whole came to, or null while it goes on. */
  get result(): string | null {
    return this.over;
  }

  get face(): Face {
    const { phase, looks, paused, end } = this;
    const held = end === null ? this.held : null;
    const seen = this.climbing?.to ?? this.rung;
    const share = end === null ? (this.ladder[Math.min(seen, this.ladder.length - 1)] ?? 0) : 0;
    const waits = end === null && this.over === null ? this.waits() : null;
    return { phase, share, looks, held, paused, waits, end };
  }

  private get proofTime(): number {
    return this.plan.stepDeadlineMs / minute;
  }

  /** Somebody must agree before the next rung: it is the first beyond what needs nobody. */
  private get guarded(): boolean {
    const { approval } = this.plan;
    const shareOf = (rung: number): number => this.ladder[rung] ?? 100;
    if (approval === null) return false;
    return shareOf(this.rung) <= approval.beforePercent && shareOf(this.rung + 1) > approval.beforePercent;
  }

  private readonly rules: readonly Rule[] = [
    { name: 'decided', applies: () => this.end !== null, does: () => ({ do: 'goBack' }) },
    {
      name: 'guardrail',
      applies: ({ action }) => action === 'rollback',
      does: ({ action }) => this.goBack('rolledBack', 'judge', reasonOf(action)),
    },
    {
      name: 'total deadline',
      applies: () => this.total <= 0,
      does: (sight) => {
        const last = sight.blind ? blindReason : reasonOf(sight.action);
        return this.goBack('rolledBack', 'deadline', `no decision within the total deadline; ${last}`);
      },
    },
    {
      name: 'nobody answered',
      applies: () => this.answer !== null && this.answer <= 0,
      does: () => this.goBack('rejected', 'deadline', 'nobody approved in time; ask for a retrain to ask again'),
    },
    {
      name: 'foreign weights, again and again',
      applies: ({ asIntended }) => !asIntended && this.foreign >= 2,
      does: () => {
        this.foreign++;
        return this.hold('somebody else keeps changing the weights of this endpoint: stop it, then resume');
      },
    },
    {
      name: 'foreign weights',
      applies: ({ asIntended }) => !asIntended,
      does: () => {
        this.foreign++;
        return { do: 'write', share: this.ladder[this.rung]! };
      },
    },
    { name: 'blind', applies: ({ blind }) => blind, does: () => this.hold(blindReason) },
    {
      name: 'hold',
      applies: ({ action }) => action === 'hold' && !this.hurried,
      does: ({ action }) => this.hold(reasonOf(action)),
    },
    { name: 'paused', applies: () => this.paused, does: () => this.goOn() },
    {
      name: 'nobody has answered yet',
      applies: ({ action }) => action === 'continue' && !this.hurried && this.answer !== null,
      does: () => this.goOn(),
    },
    {
      name: 'not proven once more after the answer',
      applies: ({ action }) => action === 'continue' && !this.hurried && this.guarded && this.agreed,
      does: () => this.goOn(),
    },
    {
      name: 'not proven yet',
      applies: ({ action }) => action === 'continue' && !this.hurried && Math.max(this.proof, this.bake ?? 0) > 0,
      does: () => this.goOn(),
    },
    {
      name: 'never proven',
      applies: ({ action }) => action === 'continue' && !this.hurried,
      does: ({ action }) => {
        const why = `no proof either way within the step deadline; ${reasonOf(action)}`;
        const next = 'resume, promote or roll back';
        return this.plan.onInconclusive === 'hold'
          ? this.hold(`${why}; ${next}`)
          : this.goBack('rolledBack', 'deadline', why);
      },
    },
    {
      name: 'bakes',
      applies: () => this.bake !== null && this.bake > 0 && !this.hurried,
      does: () => this.goOn(),
    },
    {
      name: 'asks',
      applies: () => this.guarded && !this.agreed,
      does: () => {
        this.answer ??= this.plan.approval!.expiresMs / minute;
        return this.goOn();
      },
    },
    { name: 'climbs', applies: () => true, does: () => this.climb(this.rung + 1) },
  ];

  private hold(why: string): Order {
    this.phase = 'held';
    this.held = why;
    return nothing;
  }

  /** Whatever held it is over. */
  private goOn(): Order {
    this.held = null;
    if (this.answer !== null) this.phase = 'awaitingApproval';
    else this.phase = this.bake === null ? 'step' : 'baking';
    return nothing;
  }

  private climb(to: number): Order {
    this.goOn();
    this.climbing = { to, used: 0 };
    const share = this.ladder[to] ?? 100;
    // With 100 % there is nothing left to compare with.
    if (share === 100) {
      this.phase = 'promoting';
      return { do: 'giveAll' };
    }
    this.phase = to === this.ladder.length - 1 ? 'baking' : 'step';
    return { do: 'write', share };
  }

  private reach(rung: number, used: number): void {
    this.rung = rung;
    this.proof = this.proofTime - used;
    this.bake = rung === this.ladder.length - 1 ? this.plan.bakeMs / minute - used : null;
  }

  private goBack(result: string, by: string, reason: string): Order {
    this.end = { result, by, reason };
    this.phase = 'rollingBack';
    return { do: 'goBack' };
  }

  /** The first of the clocks that run; one that runs down with the whole canary's is that one. */
  private waits(): Face['waits'] {
    const whole = { minutes: this.total, outcome: 'rolled back' };
    const own = this.runs();
    return own === null || own.minutes >= whole.minutes ? whole : own;
  }

  private runs(): Face['waits'] {
    if (this.answer !== null) return { minutes: this.answer, outcome: 'rejected' };
    if (this.paused || this.held !== null || (this.guarded && this.agreed)) return null;
    if (this.bake !== null && this.bake > 0) return { minutes: this.bake, outcome: 'promoted' };
    const then = this.plan.onInconclusive === 'hold' ? 'held' : 'rolled back';
    return { minutes: this.proof, outcome: `without proof ${then}` };
  }
}
