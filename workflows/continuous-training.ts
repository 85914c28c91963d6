import {
  allHandlersFinished,
  condition,
  continueAsNew,
  ParentClosePolicy,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  governorId,
  type Answer,
  type Decision,
  type Installation,
  type ModelSpec,
  type Trigger,
} from './contracts/index.js';
import {
  answerTrigger,
  initialGovernor,
  loseRun,
  noteRollback,
  nextWake,
  pauseModel,
  resumeModel,
  sentenceOf,
  statusOf,
  takeReport,
  takeRestored,
  takeWindow,
  tick,
  type GovernorState,
} from './domain/index.js';
import {
  championRestored,
  configure,
  getDecisions,
  getStatus,
  pause,
  releaseReported,
  requestRetrain,
  resume,
  rollback,
  triggersReported,
  windowReported,
  type Button,
  type ButtonAnswer,
  type ConfigureRequest,
} from './messages.js';
import type { modelRelease } from './model-release.js';
import { controlReads, controlWrites } from './proxies.js';
import { governorBoard } from './governor-board.js';
import {
  checkButton,
  checkConfigure,
  checkTrigger,
  isReleaseReport,
  isRestoredChampion,
  isWindowReport,
  readableTriggers,
} from './message-checks.js';
import { repairTraffic, rollBackChampion } from './restore-champion.js';
import { startAttributes, summaryLine } from './visibility.js';

export interface GovernorInput {
  readonly v: 1;
  readonly installation: Installation;
  readonly spec: ModelSpec;
  readonly specDigest: string;
  /** Carried over continue-as-new; absent on the first run, which loads the last saved snapshot. */
  readonly state?: GovernorState;
}

/**
 * A short history keeps waking cheap; the governor owns no children, so it may continue whenever it is quiet. What the
 * task under way still adds (its end, answers, a timer) is not counted yet: at rest there are at most 60.
 */
const eventsBeforeContinue = 50;
const decisionsPerSave = 200; // keeps one save well below the size limit of a payload

/**
 * The governor: one execution per model for as long as the model lives. It alone decides when a retrain starts, answers
 * every request, and owns nothing: releases are started with ABANDON and report by signal.
 */
export async function continuousTraining(input: GovernorInput): Promise<void> {
  await new Governor(input).run();
}

class Governor {
  private spec: ModelSpec;
  private specDigest: string;
  private readonly installation: Installation;
  private state: GovernorState | null;
  /** Revision that the registry is known to hold. */
  private saved = 0;
  private monitorResets: string[] = []; // runs whose end has still to reach the monitor
  /** Decided, not yet in the registry; oldest first. */
  private unsaved: Decision[] = [];
  private rollbacks: { readonly by: Button; answer: ButtonAnswer | null }[] = [];
  private dirty = false;
  private readonly board = governorBoard();
  private readonly backlog: (() => void)[] = [];

  constructor(input: GovernorInput) {
    this.spec = input.spec;
    this.specDigest = input.specDigest;
    this.installation = input.installation;
    this.state = input.state ?? null;
    this.saved = input.state?.revision ?? 0;
    this.listen();
  }

  async run(): Promise<never> {
    if (this.state === null) await this.recover();
    for (;;) {
      this.settle((state) => tick(state, this.context()));
      await this.save();
      await this.rollBack();
      await this.startRelease();
      // Saved before shown, whether or not it came in the same task: a worker that replays may see two tasks as one.
      if (this.pendingWork()) continue;
      this.board(this.current, this.spec, this.specDigest);
      if (this.ripe()) {
        await continueAsNew<typeof continuousTraining>({
          v: 1,
          installation: this.installation,
          spec: this.spec,
          specDigest: this.specDigest,
          state: this.current,
        });
      }
      await this.rest();
    }
  }

  private get current(): GovernorState {
    return this.state!;
  }

  private context() {
    return { model: this.spec.model, policy: this.spec.retrain, now: Date.now() };
  }

  private settle(change: (state: GovernorState) => GovernorState): void {
    const before = this.current;
    this.state = change(before);
    if (before.running !== null && this.state.running === null) this.monitorResets.push(before.running.runId);
    if (this.state === before) return;
    this.dirty = true;
    this.unsaved.push(...this.state.decisions.slice(0, this.state.revision - before.revision).toReversed());
  }

  private pendingWork(): boolean {
    return (
      this.dirty ||
      this.current.revision > this.saved ||
      this.current.running?.started === false ||
      this.monitorResets.length > 0 ||
      this.rollbacks.length > 0
    );
  }

  /** Long enough to begin anew, and nothing is under way: every answer has left. */
  private ripe(): boolean {
    if (this.pendingWork() || !allHandlersFinished()) return false;
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    return historyLength > eventsBeforeContinue || continueAsNewSuggested;
  }

  /** After Terminate the registry knows what was decided; the registry and the endpoint know what serves. */
  private async recover(): Promise<void> {
    const { model } = this.spec;
    const snapshot = (await controlReads(this.installation.limits).loadGovernor({
      model,
    })) as unknown as GovernorState | null;
    const { champion } = await controlReads(this.installation.limits).getChampion({ model, anchor: null });
    const base = snapshot ?? initialGovernor(Date.now());
    this.saved = base.revision;
    this.state = { ...base, champion: champion?.version ?? null };
    for (const late of this.backlog.splice(0)) late();
    await this.askAboutRun();
  }

  /** Group commit: everything decided since the last save, in one activity, before any of it is answered. */
  private async save(): Promise<void> {
    this.dirty = false;
    while (this.current.revision > this.saved) {
      const state = this.current;
      const decisions = this.unsaved.splice(0, decisionsPerSave);
      await controlWrites(this.installation.limits).saveGovernor.executeWithOptions(
        { summary: summaryLine(decisions[0]?.what ?? 'save') },
        [{ model: this.spec.model, revision: state.revision, snapshot: { ...state }, decisions }]
      );
      // Answers wait for the save that holds their decision, so the revision counts only when all are in.
      if (this.unsaved.length === 0 || decisions.length < decisionsPerSave) this.saved = state.revision;
    }
    for (const runId of this.monitorResets.splice(0)) {
      await controlWrites(this.installation.limits).resetMonitor({ model: this.spec.model, runId });
    }
  }

  /** Deterministic id: a second start of the same run is refused by the server and changes nothing. */
  private async startRelease(): Promise<void> {
    const { running } = this.current;
    if (running === null || running.started) return;
    const more = running.causes > 1 ? `, ${running.causes} causes` : '';
    const cause = `${running.cause}${more}`;
    try {
      await startChild<typeof modelRelease>('modelRelease', {
        workflowId: running.runId,
        parentClosePolicy: ParentClosePolicy.ABANDON,
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        staticSummary: summaryLine(`retrain ${this.spec.model}: ${cause}`),
        typedSearchAttributes: startAttributes(this.spec.model, 'running'),
        args: [
          {
            v: 1,
            installation: this.installation,
            releaseId: running.runId,
            seq: running.seq,
            spec: this.spec,
            specDigest: this.specDigest,
            cause,
            requestedBy: running.requestedBy,
            causedByDrift: running.byDrift,
          },
        ],
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const { running: now } = this.current;
    if (now !== null && now.runId === running.runId) {
      this.state = { ...this.current, running: { ...now, started: true, heardAt: Date.now() } };
    }
  }

  /** Sleeps until something happens, a timer is due, or the running release has been silent for too long. */
  private async rest(): Promise<void> {
    if (this.pendingWork()) return;
    const now = Date.now();
    const { running } = this.current;
    const wake = nextWake(this.current, this.spec.retrain, now);
    const silentAt = running === null ? null : running.heardAt + this.installation.limits.describeMs;
    const until = [wake, silentAt].filter((at): at is number => at !== null);
    // The last answer may leave after the work is done: only then is it quiet.
    const woken = () => this.pendingWork() || this.ripe();
    if (until.length === 0) {
      await condition(woken);
      return;
    }
    const at = Math.min(...until);
    const summary =
      running === null ? summaryLine(sentenceOf(this.current, this.spec.retrain, now)) : 'ask about the run';
    const happened = await condition(woken, Math.max(1, at - now), { summary: summaryLine(summary) });
    if (!happened && running !== null) await this.askAboutRun();
  }

  /** A terminated release sends nothing: it is asked for, and what it left is repaired. */
  private async askAboutRun(): Promise<void> {
    const { running } = this.current;
    if (running === null || !running.started) return;
    const { state, outcome } = await controlReads(this.installation.limits).describeRelease({
      releaseId: running.runId,
    });
    if (this.current.running?.runId !== running.runId) return;
    if (state === 'open') {
      this.state = { ...this.current, running: { ...this.current.running, heardAt: Date.now() } };
    } else if (outcome !== undefined) {
      this.settle((s) => takeReport(s, { runId: running.runId, phase: 'done', outcome }, this.context()));
    } else {
      await repairTraffic(this.restoreContext(running.runId));
      this.settle((s) => loseRun(s, this.context()));
    }
  }

  /** Rollbacks that people asked for while nothing runs, one after the other. */
  private async rollBack(): Promise<void> {
    for (const request of this.rollbacks.filter(({ answer }) => answer === null)) {
      request.answer = await rollBackChampion(this.restoreContext(governorId(this.spec.model)), request.by);
      const { done, reason } = request.answer;
      this.settle((s) => noteRollback(s, request.by.actor, done ? request.by.reason : reason, done, Date.now()));
    }
    this.rollbacks = [];
  }

  private restoreContext(releaseId: string) {
    return { installation: this.installation, spec: this.spec, releaseId };
  }

  // ---- messages -----------------------------------------------------------------------------------------------------

  private listen(): void {
    setHandler(requestRetrain, (trigger) => this.answering(() => this.answer(trigger)), {
      description:
        'Ask for a retrain: { kind, source, id, cause, at, actor, force? }. The same source and id are answered once.',
      validator: checkTrigger,
    });
    setHandler(triggersReported, (signal) =>
      this.later(() => readableTriggers(signal).forEach((trigger) => this.answer(trigger)))
    );
    setHandler(windowReported, (window) => {
      if (isWindowReport(window)) this.later(() => this.settle((s) => takeWindow(s, window, this.context())));
    });
    setHandler(releaseReported, (news) => {
      if (isReleaseReport(news)) this.later(() => this.settle((s) => takeReport(s, news, this.context())));
    });
    setHandler(championRestored, (now) => {
      if (!isRestoredChampion(now)) return;
      this.later(() => this.settle((s) => takeRestored(s, now.version, now.actor, now.reason, Date.now())));
    });
    setHandler(
      pause,
      ({ actor, reason }) => this.answering(() => this.press((s, now) => pauseModel(s, actor, reason, now), 'paused')),
      { description: 'Start no new runs: { actor, reason }.', validator: checkButton }
    );
    setHandler(
      resume,
      ({ actor, reason }) =>
        this.answering(() => this.press((s, now) => resumeModel(s, actor, reason, now), 'resumed')),
      { description: 'End a pause, a hold or an open breaker: { actor, reason }.', validator: checkButton }
    );
    setHandler(rollback, (by) => this.answering(() => this.askRollback(by)), {
      description: 'When nothing runs: give the traffic back to the champion, or to the one before: { actor, reason }.',
      validator: checkButton,
    });
    setHandler(configure, (request) => this.answering(() => this.configure(request)), {
      description: 'Replace the spec; runs that are under way keep theirs.',
      validator: (request) => checkConfigure(request, this.spec.model),
    });
    setHandler(
      getStatus,
      () => {
        const state = this.state ?? initialGovernor(Date.now());
        return statusOf(state, this.spec.model, this.spec.retrain, this.specDigest, Date.now());
      },
      { description: 'Phase, one sentence, champion, run, budget.' }
    );
    setHandler(getDecisions, (query) => (this.state?.decisions ?? []).slice(0, query?.limit ?? 20), {
      description: 'The last decisions, newest first. Older ones are in the registry.',
    });
  }

  private configure({ spec, specDigest, ifDigest }: ConfigureRequest) {
    const current = ifDigest === null || ifDigest === this.specDigest;
    const changed = current && specDigest !== this.specDigest;
    if (changed) {
      this.spec = spec;
      this.specDigest = specDigest;
      this.dirty = true;
    }
    return { changed, specDigest: this.specDigest };
  }

  private answer(trigger: Trigger): Answer {
    const { state, answer } = answerTrigger(this.current, trigger, this.context());
    this.settle(() => state);
    return answer;
  }

  private async askRollback(by: Button): Promise<ButtonAnswer> {
    if (this.current.running !== null) {
      return {
        done: false,
        reason: `${this.current.running.runId} is under way; its canary, if it has one, takes rollbacks`,
      };
    }
    const request: (typeof this.rollbacks)[number] = { by, answer: null };
    this.rollbacks.push(request);
    await condition(() => request.answer !== null);
    return request.answer!;
  }

  private press(change: (state: GovernorState, now: number) => GovernorState, what: string): ButtonAnswer {
    const before = this.current;
    this.settle((state) => change(state, Date.now()));
    const done = this.state !== before;
    return {
      done,
      reason: done ? `${this.spec.model} is ${what}` : `nothing to change: ${this.spec.model} was not to be ${what}`,
    };
  }

  /** Decides at once, answers when the decision is saved: an answer that was given survives a Terminate. */
  private async answering<T>(decide: () => T | Promise<T>): Promise<T> {
    await condition(() => this.state !== null);
    const result = await decide();
    const { revision } = this.current;
    await condition(() => this.saved >= revision);
    return result;
  }

  private later(work: () => void): void {
    if (this.state === null) this.backlog.push(work);
    else work();
  }
}
