import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setHandler,
  upsertMemo,
  type SignalDefinition,
} from '@temporalio/workflow';
import { memoOf } from './contracts/governor.js';
import { digestOf, governorId } from './contracts/ids.js';
import type { Answer, Installation, ModelSpec, Trigger } from './contracts/index.js';
import { initialGovernor, type GovernorState } from './domain/governor/state.js';
import { sentenceOf, statusOf } from './domain/governor/status.js';
import {
  answerTrigger,
  loseRun,
  noteRollback,
  nextWake,
  pauseModel,
  resumeModel,
  takeReport,
  takeRestored,
  takeWindow,
  tick,
} from './domain/governor/transitions.js';
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
import { controlReads, controlWrites } from './proxies.js';
import { governorBoard } from './governor-board.js';
import { GovernorMemory, recoverGovernor, type GovernorInput } from './governor-memory.js';
import { heedCancellation, historyBeyond } from './history-length.js';
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
import { startRelease } from './start-release.js';
import { summaryLine } from './visibility.js';

/**
 * A short history keeps waking cheap; the governor owns no children, so it may continue whenever it is quiet. What the
 * task under way still adds (its end, answers, a timer) is not counted yet: at rest there are at most 60.
 */
const eventsBeforeContinue = 50;
/**
 * Busy or not: the server refuses to begin anew while a message is on its way, and trying again costs a replay, which must
 * stay short. The server itself suggests it at 1,800 updates.
 */
const mostEvents = 1_000;

/**
 * The governor: one execution per model for as long as the model lives. It alone decides when a retrain starts, answers
 * every request, and owns nothing: releases are started with ABANDON and report by signal.
 */
export async function continuousTraining(input: GovernorInput): Promise<void> {
  await new Governor(input).run();
}

type Change = (state: GovernorState, now: number) => GovernorState;

class Governor {
  private spec: ModelSpec;
  private specDigest: string;
  private installation: Installation;
  private readonly memory = new GovernorMemory();
  /** Highest revision that an answer waits for. */
  private awaited = 0;
  private monitorResets: readonly string[];
  private rollbacks: { readonly by: Button; answer: ButtonAnswer | null }[] = [];
  private dirty = false;
  /** About to begin anew in the middle of its work: nobody is answered before everybody is. */
  private leaving = false;
  private readonly board = governorBoard();
  private readonly backlog: (() => void)[] = [];

  constructor(input: GovernorInput) {
    this.spec = input.spec;
    this.specDigest = input.specDigest;
    this.installation = input.installation;
    this.monitorResets = input.monitorResets ?? [];
    if (input.state !== undefined) this.memory.restore(input.state, input.unsaved ?? []);
    this.listen();
  }

  async run(): Promise<never> {
    if (!this.memory.known) await this.recover();
    for (;;) {
      // Asked where a save follows, and obeyed after it: a worker that replays may see the next task together with this one.
      this.leaving = historyBeyond(mostEvents);
      this.settle((state) => tick(state, this.context()));
      await this.save();
      if (this.leaving && (await this.answeredAll())) await this.beginAnew();
      await this.resetMonitors();
      await this.rollBack();
      await this.startRelease();
      // Saved before shown, whether or not it came in the same task: a worker that replays may see two tasks as one.
      if (this.pendingWork()) continue;
      this.board(this.current, this.spec, this.digests());
      if (this.ripe()) await this.beginAnew();
      await this.rest();
    }
  }

  private get current(): GovernorState {
    return this.memory.state;
  }

  private digests() {
    return { specDigest: this.specDigest, installationDigest: digestOf(this.installation) };
  }

  private context() {
    return { model: this.spec.model, policy: this.spec.retrain, now: Date.now() };
  }

  private settle(change: (state: GovernorState) => GovernorState): void {
    const before = this.current;
    const after = change(before);
    if (after === before) return;
    if (before.running !== null && after.running === null) {
      this.monitorResets = [...this.monitorResets, before.running.runId];
    }
    this.memory.take(after);
    this.dirty = true;
  }

  private pendingWork(): boolean {
    return this.dirty || !this.memory.allSaved || this.current.running?.started === false || this.rollbacks.length > 0;
  }

  /** Long enough to begin anew, and nothing is under way: every answer has left. */
  private ripe(): boolean {
    return !this.pendingWork() && allHandlersFinished() && historyBeyond(eventsBeforeContinue);
  }

  /**
   * Under load there is always somebody who waits for an answer, and an answer that is on its way does not outlive a run. So
   * while it is leaving the governor saves but answers nobody, until everybody who waits can be answered at once: whoever
   * waits asks nothing else, and the server lets no more than ten in. Events that are not saved yet go along.
   */
  private async answeredAll(): Promise<boolean> {
    if (this.awaited > this.memory.saved || this.rollbacks.length > 0 || this.memory.handOver === null) return false;
    this.leaving = false;
    await condition(() => allHandlersFinished() || this.awaited > this.memory.saved);
    return allHandlersFinished();
  }

  private async beginAnew(): Promise<never> {
    await heedCancellation();
    const { installation, spec, specDigest, monitorResets } = this;
    const carried = { ...this.memory.handOver!, monitorResets };
    return continueAsNew<typeof continuousTraining>({ v: 1, installation, spec, specDigest, ...carried });
  }

  /** After Terminate the registry knows what was decided; the registry and the endpoint know what serves. */
  private async recover(): Promise<void> {
    const { state, noted } = await recoverGovernor(this.installation.limits, this.spec.model);
    this.memory.restore(state, []);
    this.settle(noted);
    for (const late of this.backlog.splice(0)) late();
    await this.askAboutRun();
  }

  /** Group commit: everything decided since the last save, before any of it is answered. */
  private async save(): Promise<void> {
    this.dirty = false;
    await this.memory.save(async ({ decisions, state }) => {
      const { limits } = this.installation;
      const kept = { model: this.spec.model, revision: state.revision, snapshot: { ...state }, decisions };
      await controlWrites(limits, decisions[0]?.what ?? 'save').saveGovernor(kept);
    });
  }

  private async resetMonitors(): Promise<void> {
    const ended = this.monitorResets;
    this.monitorResets = [];
    const { model } = this.spec;
    for (const runId of ended) {
      await controlWrites(this.installation.limits, 'drift starts anew').resetMonitor({ model, runId });
    }
  }

  private async startRelease(): Promise<void> {
    const { running } = this.current;
    // A run that the registry does not know yet waits for the next save.
    if (running === null || running.started || !this.memory.knowsRun(running.runId)) return;
    const { installation, spec, specDigest } = this;
    await startRelease({ installation, spec, specDigest }, running);
    const { running: now } = this.current;
    if (now !== null && now.runId === running.runId) {
      this.memory.take({ ...this.current, running: { ...now, started: true, heardAt: Date.now() } });
    }
  }

  /** Sleeps until something happens, a timer is due, or the running release has been silent for too long. */
  private async rest(): Promise<void> {
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
    const summary = running === null ? sentenceOf(this.current, this.spec.retrain, now) : 'ask about the run';
    const happened = await condition(woken, Math.max(1, at - now), { summary: summaryLine(summary) });
    if (!happened) await this.askAboutRun();
  }

  /** A terminated release sends nothing: it is asked for, and what it left is repaired. */
  private async askAboutRun(): Promise<void> {
    const { running } = this.current;
    if (running === null || !running.started) return;
    const releaseId = running.runId;
    const asks = controlReads(this.installation.limits, `ask about ${releaseId}`);
    const { state, outcome } = await asks.describeRelease({ releaseId });
    if (this.current.running?.runId !== running.runId) return;
    if (state === 'open') {
      this.memory.take({ ...this.current, running: { ...this.current.running, heardAt: Date.now() } });
    } else if (outcome !== undefined) {
      this.settle((s) => takeReport(s, { runId: running.runId, phase: 'done', outcome }, this.context()));
    } else {
      await repairTraffic(this.restoreContext(running.runId));
      this.settle((s) => loseRun(s, this.context()));
    }
  }

  /** Rollbacks that people asked for while nothing runs, one after the other: also those that come meanwhile. */
  private async rollBack(): Promise<void> {
    for (const request of this.rollbacks) {
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
    setHandler(
      triggersReported,
      (signal) => this.later(() => readableTriggers(signal).forEach((trigger) => this.answer(trigger))),
      { description: 'Events that need no answer: { triggers: [...] }, each as for requestRetrain.' }
    );
    this.hear(windowReported, 'A monitoring window was judged. Sent by driftCheck.', isWindowReport, (s, window) =>
      takeWindow(s, window, this.context())
    );
    this.hear(releaseReported, 'News of a run: phase, wait, outcome. Sent by the run.', isReleaseReport, (s, news) =>
      takeReport(s, news, this.context())
    );
    this.hear(championRestored, 'A rollback was carried out. Sent by the canary.', isRestoredChampion, (s, now) =>
      takeRestored(s, now.version, now.actor, now.reason, Date.now())
    );
    setHandler(
      pause,
      ({ actor, reason }) =>
        this.answering(() => this.press((s, now) => pauseModel(s, actor, reason, now), 'paused', 'is paused already')),
      { description: 'Start no new runs: { actor, reason }.', validator: checkButton }
    );
    setHandler(
      resume,
      ({ actor, reason }) =>
        this.answering(() =>
          this.press((s, now) => resumeModel(s, actor, reason, now), 'resumed', 'is neither paused nor on hold')
        ),
      { description: 'End a pause, a hold or an open breaker: { actor, reason }.', validator: checkButton }
    );
    setHandler(rollback, (by) => this.answering(() => this.askRollback(by)), {
      description: 'When nothing runs: give the traffic back to the champion, or to the one before: { actor, reason }.',
      validator: checkButton,
    });
    setHandler(configure, (request) => this.answering(() => this.configure(request)), {
      description: 'Replace the spec, and owner and limits where given; runs that are under way keep theirs.',
      validator: (request) => checkConfigure(request, this.spec.model),
    });
    setHandler(
      getStatus,
      () => {
        const state = this.memory.known ? this.current : initialGovernor(Date.now());
        return statusOf(state, this.spec, this.digests(), Date.now());
      },
      { description: 'Phase, one sentence, champion, run, budget.' }
    );
    setHandler(
      getDecisions,
      (query) => (this.memory.known ? this.current.decisions : []).slice(0, query?.limit ?? 20),
      { description: 'The last decisions, newest first. Older ones are in the registry.' }
    );
  }

  /** A signal that changes the state; what nobody can read changes nothing. */
  private hear<T>(
    signal: SignalDefinition<[T]>,
    description: string,
    readable: (message: T) => boolean,
    take: (state: GovernorState, message: T) => GovernorState
  ): void {
    const heard = (message: T) => {
      if (readable(message)) this.later(() => this.settle((state) => take(state, message)));
    };
    setHandler(signal, heard, { description });
  }

  private configure({ spec, specDigest, installation, ifDigest }: ConfigureRequest) {
    const current = ifDigest === null || ifDigest === this.specDigest;
    const sameInstallation = installation === undefined || digestOf(installation) === digestOf(this.installation);
    const changed = current && (specDigest !== this.specDigest || !sameInstallation);
    if (changed) {
      upsertMemo({ ...memoOf(spec) });
      this.spec = spec;
      this.specDigest = specDigest;
      this.installation = installation ?? this.installation;
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

  private press(change: Change, done: string, already: string): ButtonAnswer {
    const before = this.current;
    this.settle((state) => change(state, Date.now()));
    const changed = this.current !== before;
    const { model } = this.spec;
    return { done: changed, reason: changed ? `${model} is ${done}` : `nothing to change: ${model} ${already}` };
  }

  /** Decides at once, answers when the decision is saved: an answer that was given survives a Terminate. */
  private async answering<T>(decide: () => T | Promise<T>): Promise<T> {
    await condition(() => this.memory.known);
    const result = await decide();
    const { revision } = this.current;
    this.awaited = Math.max(this.awaited, revision);
    await condition(() => this.memory.saved >= revision && !this.leaving);
    return result;
  }

  private later(work: () => void): void {
    if (this.memory.known) work();
    else this.backlog.push(work);
  }
}
