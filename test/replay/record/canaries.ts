import { canaryDeployment } from '@retempo/workflows';
import {
  controlQueue,
  digestOf,
  endpointId,
  type CanaryInput,
  type ModelSpec,
  type VersionRecord,
} from '@retempo/workflows/contracts';
import { abort, approve, getRunStatus, pause, promote, reject, resume, rollback } from '@retempo/workflows/messages';
import { breakVersion } from '../../support/broken-version.js';
import { resultOf } from './gates.js';
import { model, openStage, site, type Stage } from './stage.js';

// Canaries are started directly, with the champion that serves and a version that the gate refused: what people, deadlines
// and cancellation do to them. Canaries of whole releases are recorded with the releases.

const button = { actor: 'ann', reason: 'recorded' };
const policy = { quorum: 1, from: [], expiresMs: 600_000 };

interface Cast {
  readonly stage: Stage;
  readonly spec: ModelSpec;
  readonly champion: VersionRecord;
  readonly candidate: VersionRecord;
}

/** A champion that serves, and a version that its gate refused. */
async function castOn(stage: Stage): Promise<Cast> {
  const spec = await stage.test.apply();
  const first = await stage.retrain('champion');
  await stage.ended(first);
  await stage.change({ train: { parameters: { rate: 0.05, epochs: 2, shuffleLabels: true } } });
  const second = await stage.retrain('candidate');
  await stage.ended(second);
  const champion = (await resultOf(stage, first)).version;
  const candidate = (await resultOf(stage, second)).version;
  return { stage, spec, champion, candidate };
}

export async function recordCanaries(): Promise<void> {
  const cast = await castOn(await openStage('canaries'));
  await abortedWhilePaused(cast);
  await pausedAndResumed(cast);
  await cancelled(cast);
  await deadline(cast);
  await rejected(cast);
  await resumed(cast);
  await mismatch(cast);
  await rollbackBlocked(cast);
  await approvedByPeople(cast);
  // From here on the candidate is what serves.
  await baked({ ...cast, champion: cast.candidate, candidate: cast.champion });
}

/** Canaries that begin anew, as after 2,000 events; the server suggests it early here, so that the histories stay short. */
export async function recordLongCanaries(): Promise<void> {
  const dynamicConfig = { 'limit.historyCount.suggestContinueAsNew': 25 };
  await begunAnew(await castOn(await openStage('long-canaries', { dynamicConfig })));
}

let started = 0;

async function start({ stage, spec, champion, candidate }: Cast, change: Partial<CanaryInput> = {}) {
  const input: CanaryInput = {
    v: 1,
    mode: 'canary',
    installation: stage.test.installation,
    releaseId: `retempo/${model}/run/recorded-${++started}`,
    model,
    release: spec.release,
    policyDigest: digestOf(spec.release),
    candidate: { version: candidate.version, artifact: candidate.artifact },
    evidenceDigest: 'sha256:evidence',
    champion: { version: champion.version, artifact: champion.artifact },
    requestedBy: ['ann'],
    ...change,
  };
  return stage.test.client.workflow.start(canaryDeployment, {
    workflowId: endpointId(site, model),
    taskQueue: controlQueue,
    args: [input],
  });
}

type Running = Awaited<ReturnType<typeof start>>;

async function inPhase({ stage }: Cast, canary: Running, phase: string): Promise<void> {
  await stage.test.until(
    `canary ${phase}`,
    () => canary.query(getRunStatus),
    (status) => status.phase === phase
  );
}

async function end({ stage }: Cast, canary: Running, name: string, wanted: string): Promise<void> {
  const { result, reason } = await canary.result();
  if (result !== wanted) throw new Error(`${name}: wanted ${wanted}, got ${result}: ${reason}`);
  await stage.recorder.keep(`canaryDeployment-${name}`, canary.workflowId);
}

async function abortedWhilePaused(cast: Cast): Promise<void> {
  const canary = await start(cast);
  await inPhase(cast, canary, 'step');
  await canary.executeUpdate(pause, { args: [button] });
  await canary.executeUpdate(abort, { args: [button] });
  await end(cast, canary, 'aborted', 'aborted');
}

async function pausedAndResumed(cast: Cast): Promise<void> {
  const canary = await start(cast);
  await inPhase(cast, canary, 'step');
  await canary.executeUpdate(pause, { args: [button] });
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  await canary.executeUpdate(resume, { args: [button] });
  await new Promise((resolve) => setTimeout(resolve, 700));
  await canary.executeUpdate(rollback, { args: [button] });
  await end(cast, canary, 'paused-resumed', 'rolledBack');
}

async function cancelled(cast: Cast): Promise<void> {
  const canary = await start(cast);
  await inPhase(cast, canary, 'step');
  await canary.cancel();
  await end(cast, canary, 'cancelled', 'aborted');
}

async function deadline(cast: Cast): Promise<void> {
  const canary = await start(cast, { release: { ...cast.spec.release, totalDeadlineMs: 2_000 } });
  await end(cast, canary, 'deadline', 'rolledBack');
}

const asksAPerson = ({ spec }: Cast) => ({ ...spec.release, approval: { ...policy, beforePercent: 50 } });

async function rejected(cast: Cast): Promise<void> {
  const canary = await start(cast, { release: asksAPerson(cast) });
  await inPhase(cast, canary, 'step');
  await canary.executeUpdate(promote, { args: [button] });
  await inPhase(cast, canary, 'awaitingApproval');
  const { waitingFor } = await canary.query(getRunStatus);
  await canary.executeUpdate(reject, { args: [{ ...button, actor: 'bob', digests: waitingFor!.digests! }] });
  await end(cast, canary, 'rejected', 'rejected');
}

/**
 * Waits for two people over several runs: the vote of the first goes along, and nobody else answers in time. The second look
 * of the second run is its last, and the first of the third finds the time over.
 */
async function begunAnew({ stage, ...cast }: Cast): Promise<void> {
  const { test, recorder } = stage;
  const approval = { ...policy, quorum: 2, beforePercent: 50, expiresMs: 4_000 };
  const canary = await start({ stage, ...cast }, { release: { ...cast.spec.release, approval, lookEveryMs: 1_500 } });
  await inPhase({ stage, ...cast }, canary, 'step');
  await canary.executeUpdate(promote, { args: [button] });
  // Whichever run it is in by then.
  const now = test.client.workflow.getHandle<typeof canaryDeployment>(canary.workflowId);
  const status = () => now.query(getRunStatus);
  const { waitingFor } = await test.until('it asks', status, (seen) => seen.waitingFor !== null);
  const runs = () => recorder.chain(canary.workflowId, canary.firstExecutionRunId);
  await test.until('begun anew', runs, (found) => found.length > 1);
  await now.executeUpdate(approve, { args: [{ ...button, actor: 'bob', digests: waitingFor!.digests! }] });
  const asked = await runs();
  const { result, reason } = await now.result();
  const all = await runs();
  if (result !== 'rejected' || !reason.includes('nobody approved in time') || all.length === asked.length) {
    throw new Error(`${all.length} runs, the last: ${result}: ${reason}`);
  }
  await recorder.keep('canaryDeployment-continue-as-new', canary.workflowId, all[0]);
  await recorder.keep('canaryDeployment-approval-expired', canary.workflowId, all.at(-1));
}

/** Carries on from what an earlier run handed over: the second half of a continue-as-new. */
async function resumed(cast: Cast): Promise<void> {
  const before = await cast.stage.test.site(site).serving!.describe(model, cast.stage.call());
  const at = Date.now() - 10_000;
  const canary = await start(cast, {
    resume: {
      state: {
        phase: 'step',
        step: 0,
        stepStartedAt: at,
        startedAt: at,
        bakeUntil: null,
        paused: null,
        heldBecause: null,
        approvedSteps: [],
        approvalUntil: null,
        promotedBy: null,
        strikes: 0,
        looks: 181,
        rollback: null,
      },
      epoch: before.epoch + 1,
      revisions: [before.revision],
      judged: null,
    },
  });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await canary.executeUpdate(abort, { args: [button] });
  await end(cast, canary, 'continued', 'aborted');
}

async function mismatch(cast: Cast): Promise<void> {
  const other = { version: 'v9-00000000', artifact: cast.champion.artifact };
  const canary = await start(cast, { champion: other });
  await canary.result().then(
    () => {
      throw new Error('a canary over a foreign champion ended well');
    },
    () => undefined
  );
  await cast.stage.recorder.keep('canaryDeployment-champion-mismatch', canary.workflowId);
}

/** The champion does not answer when the traffic is to go back to it: tried until it does, and people are told. */
async function rollbackBlocked(cast: Cast): Promise<void> {
  const canary = await start(cast);
  await inPhase(cast, canary, 'step');
  const broken = await breakVersion(cast.stage.test, cast.champion.version);
  await canary.executeUpdate(abort, { args: [button] });
  await inPhase(cast, canary, 'rollbackBlocked');
  broken.mend();
  await end(cast, canary, 'rollback-blocked', 'aborted');
}

/** The champion keeps a share until the new version has baked. */
async function baked(cast: Cast): Promise<void> {
  const pump = await cast.stage.traffic();
  const canary = await start(cast, { release: { ...cast.spec.release, holdbackPercent: 10, bakeMs: 1_500 } });
  await inPhase(cast, canary, 'baking');
  await end(cast, canary, 'baked', 'promoted');
  await pump.stop();
}

async function approvedByPeople(cast: Cast): Promise<void> {
  const canary = await start(cast, { release: asksAPerson(cast) });
  await inPhase(cast, canary, 'step');
  await canary.executeUpdate(promote, { args: [button] });
  await inPhase(cast, canary, 'awaitingApproval');
  const { waitingFor } = await canary.query(getRunStatus);
  await canary.executeUpdate(approve, { args: [{ ...button, actor: 'bob', digests: waitingFor!.digests! }] });
  await end(cast, canary, 'approved', 'promoted');
}
