import {
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  TemporalFailure,
} from '@temporalio/workflow';
import { ApprovalDesk } from './approval.js';
import { CanaryBoard } from './canary-board.js';
import type {
  ApprovalDigests,
  CanaryInput,
  CanaryResult,
  CanaryState,
  EndpointState,
  Limits,
} from './contracts/index.js';
import {
  afterLook,
  approveStep,
  begin,
  blindLook,
  currentWeight,
  giveUp,
  initialCanary,
  notBegun,
  pauseCanary,
  resumeCanary,
  type CanaryMove,
} from './domain/canary.js';
import { timeText } from './domain/times.js';
import {
  assertServes,
  deployReady,
  endpointTrouble,
  giveBack,
  leaseOf,
  readBack,
  retireVersions,
  setWeights,
  untilDone,
  weighted,
  type EndpointWriter,
} from './endpoint-writer.js';
import { heedCancellation, historyBeyond } from './history-length.js';
import { checkButton } from './message-checks.js';
import { abort, getRunStatus, pause, promote, resume, rollback, type Button, type ButtonAnswer } from './messages.js';
import { controlWrites, looksAt } from './proxies.js';
import { makeChampionAgain } from './restore-champion.js';

/** Well inside the server's suggestion; a look costs 11 events. */
const eventsBeforeContinue = 2_000;

/**
 * Releases one candidate on one endpoint, step by step, and gives the traffic back to the champion whenever a guardrail
 * fails, a deadline passes, a person says so, or it is cancelled. It is the only writer of its endpoint: its workflow id is
 * the endpoint's. With mode `restore` it only gives the champion everything back.
 *
 * @throws ApplicationFailure `Retempo.ChampionMismatch` when the endpoint does not serve the registered champion.
 */
export async function canaryDeployment(input: CanaryInput): Promise<CanaryResult> {
  return new Canary(input).run();
}

class Canary {
  private state: CanaryState;
  private epoch: number;
  private revisions: readonly string[];
  private judged: NonNullable<CanaryInput['resume']>['judged'];
  private awake = false;
  /** The look or write under way. A way back waits for neither: by its higher epoch it refuses what comes late. */
  private underWay: CancellationScope | null = null;
  /** The candidate has 100 % by read-back: no way back inside this canary. */
  private promoted = false;
  private readonly desk = new ApprovalDesk();
  private readonly board: CanaryBoard;
  private readonly input: CanaryInput;

  constructor(input: CanaryInput) {
    this.input = input;
    this.state = input.resume?.state ?? initialCanary(Date.now());
    this.epoch = input.resume?.epoch ?? 0;
    this.revisions = input.resume?.revisions ?? [];
    this.judged = input.resume?.judged ?? null;
    this.board = new CanaryBoard(input);
    this.button(pause, 'Freeze the weight and the step time; guardrails stay on', (b) => {
      this.state = pauseCanary(this.state, b.actor, b.reason, Date.now());
    });
    this.button(resume, 'Go on after a pause or a hold', () => {
      this.state = resumeCanary(this.state, Date.now());
    });
    this.button(promote, 'Skip the remaining proof; a failing guardrail still rolls back', (b) => {
      this.state = { ...resumeCanary(this.state, Date.now()), promotedBy: b.actor };
    });
    this.button(rollback, 'Give 100 % back to the champion', (b) => {
      this.state = giveUp(this.state, b.reason, b.actor, 'rolledBack').state;
    });
    this.button(abort, 'Give 100 % back to the champion; not counted as a failed retrain', (b) => {
      this.state = giveUp(this.state, b.reason, b.actor, 'aborted').state;
    });
    setHandler(getRunStatus, () => this.board.status(this.state), {
      description: 'Phase, one sentence with the numbers of the last look, and what is waited for.',
    });
    // Asked before it listens: a vote that came with the first task is taken as soon as somebody listens.
    this.askOn();
    this.desk.listen(() => this.takeVotes());
  }

  async run(): Promise<CanaryResult> {
    try {
      const { mode, restoreFor } = this.input;
      if (mode === 'restore') {
        return await this.restore(restoreFor?.reason ?? 'its canary ended without a verdict', 'restored');
      }
      if (this.input.resume === undefined) {
        const done = await this.open();
        if (done !== null) return done;
      }
      return await this.watch();
    } catch (error) {
      if (!isCancellation(error)) throw error;
      this.state = giveUp(this.state, 'cancelled', 'operator', 'aborted').state;
      return this.end();
    }
  }

  private get limits(): Limits {
    return this.input.installation.limits;
  }

  private get writer(): EndpointWriter {
    const { site, endpoint } = this.input.release;
    return { site, endpoint, epoch: this.epoch, limits: this.limits };
  }

  /** Deploys the candidate at weight 0 and begins the first step; a first version gets everything at once. */
  private async open(): Promise<CanaryResult | null> {
    const { release, releaseId, candidate, champion, model } = this.input;
    const ready = timeText(Date.now() + release.deployDeadlineMs, Date.now());
    this.board.show(this.state, `deploying ${candidate.version} at weight 0; it has to answer by ${ready}`);
    const before = await this.describe();
    if (before !== null) assertServes(before, champion?.version ?? null, model, release.endpoint);
    this.epoch = (before?.epoch ?? 0) + 1;
    const problem = await deployReady(this.writer, candidate, releaseId, release.deployDeadlineMs);
    if (problem !== null) {
      this.state = giveUp(this.state, problem, 'deadline', 'rolledBack').state;
      return this.end();
    }
    if (champion === null) {
      this.state = { ...this.state, phase: 'promoting' };
      return this.promote('first version: there is no champion to compare with');
    }
    const turn = begin(this.state, release, Date.now());
    this.state = turn.state;
    return this.obey(turn.move);
  }

  private async watch(): Promise<CanaryResult> {
    const { release } = this.input;
    for (;;) {
      const weight = currentWeight(this.state, release);
      this.board.sleeps(this.state, Date.now() + release.lookEveryMs);
      await condition(() => this.awake, release.lookEveryMs, { summary: `next look at ${weight} %` });
      this.awake = false;
      const done = this.state.rollback === null ? await this.look() : await this.end();
      if (done !== null) return done;
      if (historyBeyond(eventsBeforeContinue)) {
        await heedCancellation();
        const { state, epoch, revisions, judged, desk } = this;
        await continueAsNew<typeof canaryDeployment>({
          ...this.input,
          resume: { state, epoch, revisions, judged, votes: desk.given },
        });
      }
    }
  }

  private untilWayBack<T>(work: () => Promise<T>): Promise<T> {
    this.underWay = new CancellationScope();
    return this.underWay.run(work);
  }

  /**
   * One look, and what follows from it. What could not be done holds the canary where it was: it never advances, and the next
   * look finds out what is in force.
   */
  private async look(): Promise<CanaryResult | null> {
    const { release, candidate, champion, model, releaseId } = this.input;
    const weight = currentWeight(this.state, release);
    let before = this.state;
    let problem = 'no look was possible';
    try {
      const look = await this.untilWayBack(() =>
        looksAt(release.site, this.limits, `look ${before.looks + 1} at ${weight} %`).observe({
          endpoint: release.endpoint,
          model,
          releaseId,
          release,
          candidate: candidate.version,
          champion: champion?.version ?? null,
          step: before.step,
          stepElapsedMs: Math.max(0, Date.now() - before.stepStartedAt),
          weight,
          revisions: this.revisions,
          epoch: this.epoch,
          look: before.looks + 1,
          judged: this.judged,
        })
      );
      this.judged = look.judged;
      this.board.saw(look);
      // Not what was before the look: somebody may have resumed since.
      before = this.state;
      const turn = afterLook(before, look, release, Date.now());
      this.state = turn.state;
      this.askForApproval();
      problem = 'the weights could not be set';
      return await this.obey(turn.move);
    } catch (error) {
      if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
      const turn = afterLook(
        notBegun(this.state, before),
        blindLook(`${problem}: ${endpointTrouble(error)}`),
        release,
        Date.now()
      );
      this.state = turn.state;
      return this.obey(turn.move);
    }
  }

  private async obey(move: CanaryMove): Promise<CanaryResult | null> {
    const { champion, candidate, release } = this.input;
    switch (move.kind) {
      case 'stay':
        this.board.show(this.state);
        return null;
      case 'setWeight': {
        const weights = { [candidate.version]: move.weight, [champion!.version]: 100 - move.weight };
        const sameStep = this.board.weight === move.weight;
        const up = `${move.weight} % to ${candidate.version}`;
        const state = await this.untilWayBack(() => setWeights(this.writer, weights, leaseOf(release, champion), up));
        this.revisions = sameStep ? [...this.revisions, state.revision].slice(-50) : [state.revision];
        this.board.show(this.state, undefined, move.weight);
        return null;
      }
      case 'finish':
        return this.promote(this.board.lastReason());
      case 'rollback':
        return this.end();
    }
  }

  private async promote(reason: string): Promise<CanaryResult> {
    const { release, candidate, champion, model, releaseId } = this.input;
    this.board.show(this.state, `giving 100 % to ${candidate.version}`);
    const all = { [candidate.version]: 100 };
    const state = await this.untilWayBack(() => setWeights(this.writer, all, null, `100 % to ${candidate.version}`));
    if (state.versions[candidate.version]?.weight !== 100) {
      throw ApplicationFailure.create({
        message: `${release.endpoint} was set to 100 % ${candidate.version} but reads back ${JSON.stringify(weighted(state))}`,
      });
    }
    // A way back that was asked for while the last write was on its way still comes first.
    if (this.state.rollback !== null) return this.end();
    this.promoted = true;
    // The candidate has all traffic by read-back: whoever cancels from here on, the alias must follow the traffic.
    return CancellationScope.nonCancellable(async () => {
      await controlWrites(this.limits, `champion ${candidate.version}`).setChampion({
        model,
        version: candidate.version,
        expected: champion?.version ?? null,
        releaseId,
        reason,
      });
      // The previous champion stays warm at weight 0 for a quick way back; older versions go.
      const keep = [candidate.version, champion?.version];
      const others = Object.keys(state.versions).filter((version) => !keep.includes(version));
      await retireVersions(this.writer, others, releaseId);
      return this.close('promoted', reason, state);
    });
  }

  /** The way back. Absorbing, not cancellable, and only over when the champion's 100 % was read back. */
  private async end(): Promise<CanaryResult> {
    const { reason, result } = this.state.rollback!;
    this.stopAsking();
    return this.restore(reason, result);
  }

  private async restore(reason: string, result: CanaryResult['result']): Promise<CanaryResult> {
    return CancellationScope.nonCancellable(async () => {
      const { champion, candidate, model, releaseId, release } = this.input;
      this.board.show(this.state, this.board.wayBack(reason));
      const what = `the way back to ${champion?.version ?? 'nothing'} on ${release.endpoint} (${release.site})`;
      const state = await untilDone(
        { limits: this.limits, model, releaseId, what },
        (why, nextTry) => {
          this.state = { ...this.state, phase: 'rollbackBlocked' };
          this.board.blocked(this.state, why, nextTry);
        },
        () => giveBack(this.writer, champion, releaseId, release.deployDeadlineMs)
      );
      if (state === null) return this.close(result, reason, null);
      this.epoch = state.epoch;
      if (champion === null) {
        return this.close(result, `${reason}; there is no champion to give the traffic to`, state);
      }
      if (this.input.restoreFor !== undefined) await makeChampionAgain(this.input, this.input.restoreFor);
      else if (candidate.version !== champion.version)
        await retireVersions(this.writer, [candidate.version], releaseId);
      return this.close(result, reason, state);
    });
  }

  private describe(): Promise<EndpointState | null> {
    return readBack(this.writer);
  }

  private close(result: CanaryResult['result'], reason: string, state: EndpointState | null): CanaryResult {
    this.state = { ...this.state, phase: 'ended' };
    this.board.show(this.state, `${result}: ${reason}`);
    return { result, reason, looks: this.state.looks, weights: state === null ? {} : weighted(state) };
  }

  // ---- people -------------------------------------------------------------------------------------------------------

  private get digests(): ApprovalDigests {
    const { candidate, evidenceDigest, policyDigest } = this.input;
    return { model: candidate.artifact.digest, evidence: evidenceDigest, policy: policyDigest };
  }

  private askForApproval(): void {
    const policy = this.input.release.approval;
    if (this.state.phase !== 'awaitingApproval' || policy === null || this.desk.open !== null) return;
    const until = this.state.approvalUntil!;
    this.desk.begin(this.digests, policy, this.input.requestedBy, until);
    this.board.asks(this.digests, policy, until);
  }

  /** The run before asked already: it goes on with the votes it had, and the governor need not be told again. */
  private askOn(): void {
    const { resume: before, release, requestedBy } = this.input;
    const until = this.state.approvalUntil;
    if (before === undefined || until === null || release.approval === null) return;
    this.desk.begin(this.digests, release.approval, requestedBy, until, before.votes);
    this.board.waits(this.digests, release.approval, until);
  }

  private takeVotes(): void {
    const { decision } = this.desk;
    if (decision === null) return;
    if (decision === 'approved') this.state = approveStep(this.state);
    else {
      const by = this.desk.record('rejected', this.digests).by[0];
      this.state = giveUp(this.state, by?.reason ?? 'rejected', by?.actor ?? 'somebody', 'rejected').state;
      this.underWay?.cancel();
    }
    this.stopAsking();
    this.awake = true;
  }

  private stopAsking(): void {
    if (this.desk.open === null) return;
    this.desk.end();
    this.board.answered();
  }

  private button(message: typeof pause, what: string, press: (button: Button) => void): void {
    setHandler(
      message,
      (button): ButtonAnswer => {
        if (this.state.phase === 'ended')
          return { done: false, reason: 'this canary has ended; what serves can be rolled back at the model' };
        if (this.promoted) {
          const { version } = this.input.candidate;
          return {
            done: false,
            reason: `${version} has all traffic and becomes the champion; roll back at the model when that is done`,
          };
        }
        if (this.state.rollback !== null)
          return {
            done: false,
            reason: 'a rollback is under way and cannot be undone; ask for a retrain when it has ended',
          };
        press(button);
        this.awake = true;
        if (this.state.rollback !== null) {
          this.underWay?.cancel();
          this.stopAsking();
        }
        return { done: true, reason: this.board.status(this.state).sentence };
      },
      { description: `${what}: { actor, reason }.`, validator: checkButton }
    );
  }
}
