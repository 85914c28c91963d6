import { condition, setHandler } from '@temporalio/workflow';
import type { ApprovalDigests, ApprovalPolicy, ApprovalRecord, Vote } from './contracts/index.js';
import { checkVote } from './message-checks.js';
import { approve, reject, type ApprovalVote, type ButtonAnswer } from './messages.js';

/**
 * Collects votes on one thing, named by digests. A vote about other digests, by the requester, by somebody who is not
 * asked, or a second one by the same person has no effect and says so. One rejection decides; it is final.
 */
export class ApprovalDesk {
  /** What is asked now, or null. */
  open: {
    digests: ApprovalDigests;
    policy: ApprovalPolicy;
    requestedBy: readonly string[];
    until: number | undefined;
  } | null = null;
  private votes: Vote[] = [];
  private rejection: Vote | null = null;

  /**
   * Registers the handlers; call before the first await, and after {@link begin} where a run goes on asking: votes that are
   * there already are taken at once. `onVote` wakes a loop that does other things meanwhile.
   */
  listen(onVote: () => void = () => {}): void {
    setHandler(approve, (vote) => this.take(vote, 'approve', onVote), {
      description: 'Approve what waits: { digests, actor, reason }. The digests are shown in the details.',
      validator: checkVote,
    });
    setHandler(reject, (vote) => this.take(vote, 'reject', onVote), {
      description: 'Reject what waits, for good: { digests, actor, reason }.',
      validator: checkVote,
    });
  }

  /**
   * Asks. From `until` on, epoch milliseconds, no vote counts: nobody may have noticed yet that it has expired. `votes` are
   * those given to a run before this one, which asked the same.
   */
  begin(
    digests: ApprovalDigests,
    policy: ApprovalPolicy,
    requestedBy: readonly string[],
    until?: number,
    votes: readonly Vote[] = []
  ): void {
    this.open = { digests, policy, requestedBy, until };
    this.votes = [...votes];
    this.rejection = null;
  }

  /** Approvals so far, for the run that goes on asking. */
  get given(): readonly Vote[] {
    return this.open === null ? [] : [...this.votes];
  }

  end(): void {
    this.open = null;
  }

  get decision(): 'approved' | 'rejected' | null {
    if (this.rejection !== null) return 'rejected';
    return this.open !== null && this.votes.length >= this.open.policy.quorum ? 'approved' : null;
  }

  record(decision: ApprovalRecord['decision'], digests: ApprovalDigests): ApprovalRecord {
    return { decision, by: this.rejection === null ? [...this.votes] : [this.rejection], digests };
  }

  /** Waits for the decision or the deadline. */
  async wait(summary: string): Promise<ApprovalRecord> {
    const { digests, policy } = this.open!;
    await condition(() => this.decision !== null, policy.expiresMs, { summary });
    const record = this.record(this.decision ?? 'expired', digests);
    this.end();
    return record;
  }

  private take(vote: ApprovalVote, kind: 'approve' | 'reject', onVote: () => void): ButtonAnswer {
    const { open } = this;
    if (open === null || this.decision !== null || Date.now() >= open.until!)
      return { done: false, reason: 'nothing waits for an approval here; the status of the model names what does' };
    const other = (['model', 'evidence', 'policy'] as const).find(
      (name) => vote.digests?.[name] !== open.digests[name]
    );
    if (other !== undefined) {
      return {
        done: false,
        reason: `this vote is about another ${other} (${vote.digests?.[other] ?? 'none'}); what waits has ${open.digests[other]}: look again, then vote`,
      };
    }
    if (open.policy.from.length > 0 && !open.policy.from.includes(vote.actor)) {
      return { done: false, reason: `${vote.actor} is not asked; asked are ${open.policy.from.join(', ')}` };
    }
    if (kind === 'reject') {
      this.rejection = { actor: vote.actor, at: new Date().toISOString(), reason: vote.reason };
      onVote();
      return { done: true, reason: 'rejected; final for this version' };
    }
    if (open.requestedBy.includes(vote.actor)) {
      return { done: false, reason: `${vote.actor} asked for this run and cannot approve it; somebody else has to` };
    }
    if (this.votes.some(({ actor }) => actor === vote.actor)) {
      return { done: false, reason: `${vote.actor} has approved already; ${this.missing()} more needed` };
    }
    this.votes.push({ actor: vote.actor, at: new Date().toISOString(), reason: vote.reason });
    onVote();
    const missing = this.missing();
    return { done: true, reason: missing === 0 ? 'approved' : `counted; ${missing} more needed` };
  }

  private missing(): number {
    return Math.max(0, (this.open?.policy.quorum ?? 0) - this.votes.length);
  }
}

/** Tells people, in the details of a workflow, how to vote on what waits. */
export const howToVote = (digests: ApprovalDigests | undefined): string =>
  `Send the update \`approve\` or \`reject\` with \`${JSON.stringify({ digests, actor: 'your name', reason: 'why' })}\`.`;
