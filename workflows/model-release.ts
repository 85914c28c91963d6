import {
  CancellationScope,
  executeChild,
  isCancellation,
  log,
  ParentClosePolicy,
  setHandler,
  sleep,
  startChild,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { failureTypeOf, rootMessage } from './activity-failures.js';
import type { canaryDeployment } from './canary-deployment.js';
import { readChampion } from './champion.js';
import { failureType } from './contracts/failures.js';
import { childId, digestOf, endpointId } from './contracts/ids.js';
import type {
  CanaryInput,
  CanaryResult,
  Decision,
  GateResult,
  PipelineResult,
  ReleaseInput,
  ReleaseOutcome,
  ReleasePhase,
  VersionRecord,
} from './contracts/index.js';
import { timeText } from './domain/times.js';
import { getRunStatus, releaseReported } from './messages.js';
import { controlWrites } from './proxies.js';
import { tellGovernor } from './tell-governor.js';
import type { trainingPipeline } from './training-pipeline.js';
import type { validationGate } from './validation-gate.js';
import { phaseReporter, showDetails, startAttributes, summaryLine } from './visibility.js';

/** How a release ends whose canary was not promoted. */
const canaryEnds = {
  aborted: 'cancelled',
  rejected: 'rejected',
  rolledBack: 'rolledBack',
  restored: 'rolledBack',
} as const;

type Trained = Extract<PipelineResult, { result: 'trained' }>;

/**
 * One accepted run, from data to traffic. Owns its pipeline, gate and canary as children, reports to the governor, and
 * repairs what a terminated child leaves behind. Never continues as new: a parent that does loses its children.
 */
export async function modelRelease(input: ReleaseInput): Promise<ReleaseOutcome> {
  const release = new Release(input);
  return release.run();
}

class Release {
  private readonly input: ReleaseInput;
  private readonly report = phaseReporter('ingest');
  private phase: ReleasePhase = 'open';
  private sentence: string;
  private readonly decisions: Decision[] = [];
  private champion: VersionRecord | null = null;
  private anchor: VersionRecord | null = null;

  constructor(input: ReleaseInput) {
    this.input = input;
    this.sentence = `retrain ${input.spec.model}: ${input.cause}`;
    setHandler(getRunStatus, () => ({ v: 1, phase: this.phase, sentence: this.sentence, waitingFor: null }), {
      description: 'Phase and one sentence. Approvals are asked by the gate or the canary of this run.',
    });
  }

  async run(): Promise<ReleaseOutcome> {
    let outcome: ReleaseOutcome;
    try {
      outcome = await this.release();
    } catch (error) {
      const cancelled = isCancellation(error);
      const type = failureTypeOf(error);
      const reason = cancelled ? 'cancelled by a person; jobs are stopped and the champion serves' : rootMessage(error);
      const result = cancelled ? 'cancelled' : type === failureType.dataMissing ? 'noData' : 'error';
      outcome = { result, helped: false, reason };
    }
    // The end must be heard and kept, also when the run was cancelled.
    await CancellationScope.nonCancellable(() => this.finish(outcome));
    return outcome;
  }

  private async release(): Promise<ReleaseOutcome> {
    const { input } = this;
    const { spec, installation, releaseId } = input;
    this.show('starting');
    const known = await readChampion(installation.limits, spec.model, spec.gate.anchor?.version);
    this.champion = known.champion;
    this.anchor = known.anchor;

    const trained = await executeChild<typeof trainingPipeline>('trainingPipeline', {
      workflowId: childId(releaseId, 'pipeline'),
      args: [
        {
          v: 1,
          installation,
          releaseId,
          seq: input.seq,
          spec,
          specDigest: input.specDigest,
          champion: known.champion,
          anchor: known.anchor,
        },
      ],
      ...this.childOptions(`train ${spec.model}: ${input.cause}`),
    });
    if (trained.result === 'dataInvalid') {
      this.decide('data', 'data invalid', trained.reason);
      return { result: 'dataInvalid', helped: false, reason: trained.reason };
    }
    const { version } = trained;
    const jobs = trained.attempts.filter(({ submitted }) => submitted).length;
    this.decide(
      'pipeline',
      `registered ${version.version}`,
      `${jobs} jobs, trained at ${version.site}`,
      version.version
    );

    await this.enter('gate', 'gate');
    const gate = await this.gate(trained);
    const refused = this.afterGate(gate, version);
    if (refused !== null) return refused;

    await this.enter('canary', 'deploying');
    return this.afterCanary(await this.canary(trained, gate), gate, version);
  }

  private async gate(trained: Trained): Promise<GateResult> {
    const { spec, installation, releaseId, requestedBy } = this.input;
    return executeChild<typeof validationGate>('validationGate', {
      workflowId: childId(releaseId, 'gate'),
      args: [
        {
          v: 1,
          installation,
          releaseId,
          spec,
          policyDigest: digestOf(spec.gate),
          version: trained.version,
          predictions: trained.predictions,
          champion: this.champion?.version ?? null,
          comparedWith: {
            champion: this.champion?.artifact.digest ?? null,
            anchor: this.anchor?.artifact.digest ?? null,
          },
          requestedBy,
        },
      ],
      ...this.childOptions(`gate ${trained.version.version}`),
    });
  }

  private afterGate(gate: GateResult, version: VersionRecord): ReleaseOutcome | null {
    const { verdict } = gate;
    const reasons = gate.reasons.join('; ');
    this.decide('gate', `gate ${verdict}`, reasons, version.version);
    if (verdict !== 'pass') {
      const result = verdict === 'noData' || verdict === 'error' ? verdict : 'refusedByGate';
      return { result, helped: false, version: version.version, reason: `gate ${verdict}: ${reasons}` };
    }
    if (gate.approval !== null && gate.approval.decision !== 'approved') {
      const by = gate.approval.by[0];
      const why =
        by === undefined ? 'nobody approved in time; ask for a retrain to ask again' : `${by.actor}: ${by.reason}`;
      this.decide(by?.actor ?? 'deadline', gate.approval.decision, why, version.version);
      return { result: 'rejected', helped: false, version: version.version, reason: why };
    }
    for (const { actor, reason: why } of gate.approval?.by ?? []) this.decide(actor, 'approved', why, version.version);
    return null;
  }

  /** A canary that ends without a verdict of its own (terminated) is followed by one that restores the champion. */
  private async canary(trained: Trained, gate: GateResult): Promise<CanaryResult> {
    const { spec, installation, releaseId, requestedBy } = this.input;
    const args: CanaryInput = {
      v: 1,
      mode: 'canary',
      installation,
      releaseId,
      model: spec.model,
      release: spec.release,
      policyDigest: digestOf(spec.release),
      candidate: { version: trained.version.version, artifact: trained.version.artifact },
      evidenceDigest: gate.evidenceDigest,
      champion: this.champion === null ? null : { version: this.champion.version, artifact: this.champion.artifact },
      requestedBy,
    };
    const running = await this.startCanary(args, `canary ${args.candidate.version} on ${spec.release.endpoint}`);
    try {
      return await running.result();
    } catch (error) {
      if (failureTypeOf(error) === failureType.championMismatch) throw error;
      log.warn('the canary ended without a verdict; the champion is restored', { error: rootMessage(error) });
      const restoring = await CancellationScope.nonCancellable(() =>
        this.startCanary({ ...args, mode: 'restore' }, `restore the champion of ${spec.release.endpoint}`)
      );
      const restored = await CancellationScope.nonCancellable(() => restoring.result());
      return {
        ...restored,
        result: 'rolledBack',
        reason: `the canary was ended from outside (${rootMessage(error)}); the champion is restored`,
      };
    }
  }

  /** The endpoint has one writer at a time: an earlier one, still restoring, is waited for. */
  private async startCanary(args: CanaryInput, summary: string): Promise<ChildWorkflowHandle<typeof canaryDeployment>> {
    const { site, endpoint } = this.input.spec.release;
    for (let pauseMs = 1_000; ; pauseMs = Math.min(30_000, pauseMs * 2)) {
      this.sentence = summary;
      try {
        return await startChild<typeof canaryDeployment>('canaryDeployment', {
          workflowId: endpointId(site, endpoint),
          args: [args],
          ...this.childOptions(summary, site),
        });
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        const again = timeText(Date.now() + pauseMs, Date.now());
        this.sentence = `waits for the earlier canary of ${endpoint} to end; looks again at ${again}`;
        this.show(this.sentence);
        await sleep(pauseMs, { summary: `${endpoint} is busy` });
      }
    }
  }

  private afterCanary(canary: CanaryResult, gate: GateResult, version: VersionRecord): ReleaseOutcome {
    const { spec, causedByDrift } = this.input;
    this.decide('canary', canary.result, canary.reason, version.version);
    const more = { version: version.version, reason: canary.reason };
    if (canary.result !== 'promoted') return { result: canaryEnds[canary.result], helped: false, ...more };
    const enough = !causedByDrift || this.champion === null || (gate.gain ?? 0) >= spec.retrain.minGain;
    return { result: 'promoted', helped: enough, ...more };
  }

  private async finish(outcome: ReleaseOutcome): Promise<void> {
    const { spec, releaseId, installation } = this.input;
    this.sentence = `${outcome.result}: ${outcome.reason}`;
    this.decide('release', outcome.result, outcome.reason, outcome.version);
    this.phase = 'done';
    this.report('done', {
      verdict: outcome.result === 'promoted' ? 'pass' : outcome.result === 'error' ? 'error' : 'fail',
    });
    this.show(this.sentence);
    await controlWrites(installation.limits, 'record of this run').exportRun({
      model: spec.model,
      releaseId,
      decisions: this.decisions,
    });
    await this.tell('done', outcome);
  }

  // ---- telling ------------------------------------------------------------------------------------------------------

  private async enter(phase: ReleasePhase, visible: Parameters<typeof this.report>[0]): Promise<void> {
    this.phase = phase;
    this.report(visible);
    this.show(phase);
    await this.tell(phase);
  }

  private async tell(phase: ReleasePhase, outcome?: ReleaseOutcome): Promise<void> {
    const { spec, releaseId } = this.input;
    const report = { runId: releaseId, phase, waitingFor: null };
    await tellGovernor(spec.model, releaseReported, outcome === undefined ? report : { ...report, outcome });
  }

  private decide(by: string, what: string, reason: string, version?: string): void {
    const at = new Date().toISOString();
    const runId = this.input.releaseId;
    this.decisions.push({ at, by, what, reason, runId, ...(version === undefined ? {} : { version }) });
  }

  private show(title: string): void {
    const { input } = this;
    showDetails({
      title,
      facts: [
        ['model', input.spec.model],
        ['why', input.cause],
        ['champion', this.champion?.version ?? 'none'],
        ['spec', input.specDigest],
        ...this.decisions.slice(-12).map((d): [string, string] => [`${d.by}: ${d.what}`, d.reason]),
      ],
      can: 'Cancel stops the jobs and gives the traffic back to the champion. Reset adopts the jobs that exist.',
    });
  }

  private childOptions(summary: string, site?: string) {
    return {
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: summaryLine(summary),
      typedSearchAttributes: startAttributes(this.input.spec.model, 'running', site),
    } as const;
  }
}
