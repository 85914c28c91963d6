import { workflowInfo } from '@temporalio/workflow';
import { howToVote } from './approval.js';
import type {
  ApprovalDigests,
  ApprovalPolicy,
  CanaryInput,
  CanaryState,
  Observation,
  Phase,
  WaitingFor,
} from './contracts/index.js';
import { canaryWait, currentWeight } from './domain/canary.js';
import { timeText } from './domain/times.js';
import { releaseReported, type RunStatus } from './messages.js';
import { tellGovernor } from './tell-governor.js';
import { phaseReporter, showDetails } from './visibility.js';

const phases: { readonly [phase in CanaryState['phase']]: Phase } = {
  deploying: 'deploying',
  step: 'canary',
  awaitingApproval: 'awaitingApproval',
  held: 'canary',
  promoting: 'canary',
  baking: 'baking',
  rollingBack: 'rollingBack',
  rollbackBlocked: 'rollbackBlocked',
  ended: 'done',
};

/** What people see of a canary: details, search attributes, one sentence. Decides nothing. */
export class CanaryBoard {
  private readonly input: CanaryInput;
  private readonly report = phaseReporter('deploying');
  private last: Observation | null = null;
  private waitingFor: WaitingFor | null = null;
  /** Says it all while the canary is in that phase. */
  private title: { readonly text: string; readonly phase: CanaryState['phase'] } | null = null;
  /** Epoch milliseconds, or null before the first wait. */
  private nextLook: number | null = null;
  /** Weight of the candidate that was last set; -1 before the first. */
  weight = -1;

  constructor(input: CanaryInput) {
    this.input = input;
    if (input.resume !== undefined) this.weight = currentWeight(input.resume.state, input.release);
  }

  saw(look: Observation): void {
    this.last = look;
  }

  lastReason(): string {
    return this.last?.reasons.join('; ') ?? 'every step passed';
  }

  asks(digests: ApprovalDigests, policy: ApprovalPolicy, until: number): void {
    this.waits(digests, policy, until);
    this.tell();
  }

  waits(digests: ApprovalDigests, policy: ApprovalPolicy, until: number): void {
    this.waitingFor = {
      workflowId: workflowInfo().workflowId,
      what: `${policy.quorum} approval${policy.quorum === 1 ? '' : 's'} to go beyond ${this.weight} %`,
      until: new Date(until).toISOString(),
      digests,
    };
  }

  answered(): void {
    this.waitingFor = null;
    this.tell();
  }

  blocked(state: CanaryState, reason: string, nextTry: number): void {
    this.report('rollbackBlocked', { verdict: 'error' });
    this.show(state, `rollback blocked: ${reason}; tried again at ${timeText(nextTry, Date.now())}`);
  }

  status(state: CanaryState): RunStatus {
    const { mode, candidate } = this.input;
    return {
      v: 1,
      phase: state.phase,
      sentence: this.sentence(state),
      waitingFor: this.waitingFor,
      ...(mode === 'restore' ? {} : { candidate: candidate.version }),
    };
  }

  show(state: CanaryState, title?: string, weight?: number): void {
    if (weight !== undefined) this.weight = weight;
    this.title = title === undefined ? null : { text: title, phase: state.phase };
    const { candidate, champion, release } = this.input;
    this.report(phases[state.phase]);
    showDetails({
      title: this.sentence(state),
      facts: [
        ['candidate', `${candidate.version}, ${currentWeight(state, release)} % of ${release.endpoint}`],
        ['champion', champion?.version ?? 'none'],
        ['step', `${state.step + 1} of ${release.steps.length + 1}; steps ${release.steps.join(', ')} %`],
        ['looks', String(state.looks)],
        ...(this.last?.checks ?? []).map((check): [string, string] => [
          check.name,
          `${check.verdict}: ${check.reason}`,
        ]),
      ],
      reasons: this.last?.reasons ?? [],
      can:
        this.waitingFor === null
          ? 'Updates: `pause`, `resume`, `promote`, `rollback`, `abort` with `{"actor": "...", "reason": "..."}`. Cancel rolls back.'
          : howToVote(this.waitingFor.digests),
    });
  }

  wayBack(reason: string): string {
    return `rolling back to ${this.input.champion?.version ?? 'nothing'}: ${reason}`;
  }

  private sentence(state: CanaryState): string {
    if (this.title?.phase === state.phase) return this.title.text;
    if (state.rollback !== null) return this.wayBack(state.rollback.reason);
    return `canary ${Math.max(0, this.weight)} %${this.standing(state)}; ${this.wait(state)}`;
  }

  private standing(state: CanaryState): string {
    if (state.paused !== null) return `, paused by ${state.paused.by}: ${state.paused.reason}; guardrails stay on`;
    if (this.waitingFor !== null) return `, waits for ${this.waitingFor.what}`;
    if (state.heldBecause !== null) return `, held: ${state.heldBecause}`;
    return `  ${this.last?.reasons[0] ?? 'before its first look'}`;
  }

  /** Until when, and what then. */
  private wait(state: CanaryState): string {
    const now = Date.now();
    const { until, outcome } = canaryWait(state, this.input.release, now);
    const end = `${outcome} at ${timeText(until, now)}`;
    return this.nextLook === null ? end : `next look at ${timeText(this.nextLook, now)}, ${end}`;
  }

  /** The canary sleeps until then, unless somebody wakes it. */
  sleeps(state: CanaryState, until: number): void {
    this.nextLook = until;
    if (state.rollback === null) this.show(state);
  }

  private tell(): void {
    const { model, releaseId } = this.input;
    const phase = this.waitingFor === null ? 'canary' : 'awaitingApproval';
    void tellGovernor(model, releaseReported, { runId: releaseId, phase, waitingFor: this.waitingFor });
  }
}
