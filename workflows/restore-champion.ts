import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, startChild } from '@temporalio/workflow';
import type { canaryDeployment } from './canary-deployment.js';
import { readChampion } from './champion.js';
import { digestOf, endpointId } from './contracts/ids.js';
import type { CanaryInput, Installation, ModelSpec, VersionRecord } from './contracts/index.js';
import { weighted } from './endpoint-writer.js';
import { championRestored } from './messages.js';
import { controlReads, controlWrites, servingReads } from './proxies.js';
import { tellGovernor } from './tell-governor.js';
import { startAttributes, summaryLine } from './visibility.js';

/** Whose endpoint, in which installation. */
export interface RestoreContext {
  readonly installation: Installation;
  readonly spec: ModelSpec;
  /** Id of the run that is repaired, or of the governor. */
  readonly releaseId: string;
}

/** Starts the canary workflow that gives `target` 100 %; false when the endpoint's writer is at work already. */
async function startRestore(
  { installation, spec, releaseId }: RestoreContext,
  versions: { readonly target: VersionRecord; readonly current: VersionRecord },
  restoreFor?: CanaryInput['restoreFor']
): Promise<boolean> {
  const { site, endpoint } = spec.release;
  const { target, current } = versions;
  const args: CanaryInput = {
    v: 1,
    mode: 'restore',
    installation,
    releaseId,
    model: spec.model,
    release: spec.release,
    policyDigest: digestOf(spec.release),
    candidate: { version: current.version, artifact: current.artifact },
    evidenceDigest: '',
    champion: { version: target.version, artifact: target.artifact },
    requestedBy: [restoreFor?.actor ?? 'governor'],
    ...(restoreFor === undefined ? {} : { restoreFor }),
  };
  try {
    await startChild<typeof canaryDeployment>('canaryDeployment', {
      workflowId: endpointId(site, endpoint),
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: summaryLine(`restore ${target.version} on ${endpoint}`),
      typedSearchAttributes: startAttributes(spec.model, 'rollingBack', site),
      args: [args],
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** A person wanted this version back: once its 100 % was read back, the registry and the governor follow. */
export async function makeChampionAgain(
  { champion, candidate, model, releaseId, installation }: CanaryInput,
  { actor, reason }: NonNullable<CanaryInput['restoreFor']>
): Promise<void> {
  const { version } = champion!;
  if (version !== candidate.version) {
    await controlWrites(installation.limits, `champion ${version}`).setChampion({
      model,
      version,
      expected: candidate.version,
      releaseId,
      reason: `rollback by ${actor}: ${reason}`,
    });
  }
  await tellGovernor(model, championRestored, { version, actor, reason });
}

/** After a run was lost: the champion of the registry serves. A canary that is still there has been asked to roll back. */
export async function repairTraffic(context: RestoreContext): Promise<void> {
  const { spec, installation } = context;
  const { champion } = await readChampion(installation.limits, spec.model);
  if (champion !== null) await startRestore(context, { target: champion, current: champion });
}

/**
 * A person's rollback outside a canary. When the endpoint serves something else than the champion of the registry, the
 * champion gets the traffic; else the champion before it does, and becomes the champion again.
 */
export async function rollBackChampion(
  context: RestoreContext,
  by: { readonly actor: string; readonly reason: string }
): Promise<{ readonly done: boolean; readonly reason: string }> {
  const { spec, installation } = context;
  const { model, release } = spec;
  const { champion } = await readChampion(installation.limits, model);
  if (champion === null)
    return {
      done: false,
      reason: `no version of ${model} has ever served; there is nothing to go back to: ask for a first retrain`,
    };
  const state = await servingReads(release.site, installation.limits, `read ${release.endpoint}`).describeEndpoint({
    endpoint: release.endpoint,
  });
  const agrees = state !== null && (weighted(state)[champion.version] ?? 0) === 100;
  const target = agrees
    ? await controlReads(installation.limits, `champion of ${model} before`).getPreviousChampion({ model })
    : champion;
  if (target === null)
    return {
      done: false,
      reason: `${champion.version} is the first champion of ${model}; there is none before it: ask for a retrain`,
    };
  const started = await startRestore(context, { target, current: champion }, by);
  return started
    ? { done: true, reason: `${target.version} gets 100 % of ${release.endpoint}` }
    : {
        done: false,
        reason: `the traffic of ${release.endpoint} is being changed right now; try again when that has ended`,
      };
}
