import { WithStartWorkflowOperation } from '@temporalio/client';
import { expect } from 'vitest';
import { canaryDeployment } from '@retempo/workflows';
import {
  controlQueue,
  endpointId,
  type CanaryInput,
  type CanaryResult,
  type ReleaseSpec,
} from '@retempo/workflows/contracts';
import { approve, getRunStatus, type ApprovalVote, type pause } from '@retempo/workflows/messages';
import { installation, spec, version, type ScriptedInstallation, type ScriptedWorld } from './scripted-world.js';
import { useScriptedInstallation } from './scripted-tests.js';

/** The endpoint of the scripted canaries, who releases on it, and what serves there before. */
export const endpoint = endpointId(spec.release.site, spec.release.endpoint);
export const { version: candidate, artifact: bytes } = version('v2');
export const champion = { version: 'v1', artifact: version('v1').artifact };
/** Who presses a button, and why. */
export const button = { actor: 'ann', reason: 'because' };

/**
 * Canaries of `candidate` against `champion` in a scripted world, for the tests of a `describe`. Call it in the body.
 *
 * @param into Takes the installation and the world before every test.
 * @param dynamicConfig Settings of the server.
 */
export function useScriptedCanary(
  into: (test: ScriptedInstallation, world: ScriptedWorld) => void,
  dynamicConfig?: Parameters<typeof useScriptedInstallation>[2]
) {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  let started = 0;
  useScriptedInstallation(
    (...opened) => {
      [test, world] = opened;
      into(test, world);
    },
    () => [endpoint],
    dynamicConfig
  );

  /** Another world within the same test. */
  const beginAgain = () => {
    world = test.begin();
    into(test, world);
  };
  const asked = (release: Partial<ReleaseSpec>, more: Partial<CanaryInput>) => {
    const input: CanaryInput = {
      v: 1,
      mode: 'canary',
      installation,
      releaseId: `retempo/m/run/${++started}-00000000`,
      model: 'm',
      release: { ...spec.release, ...release },
      policyDigest: 'sha256:policy',
      candidate: { version: candidate, artifact: bytes },
      evidenceDigest: 'sha256:evidence',
      champion,
      requestedBy: ['ann'],
      ...more,
    };
    return { workflowId: endpoint, taskQueue: controlQueue, args: [input] as [CanaryInput] };
  };
  const start = (release: Partial<ReleaseSpec> = {}, more: Partial<CanaryInput> = {}) =>
    test.client.workflow.start(canaryDeployment, asked(release, more));
  /** The vote is there with the first task. */
  const startWithVote = async (vote: ApprovalVote, release: Partial<ReleaseSpec>, more: Partial<CanaryInput>) => {
    const startWorkflowOperation = new WithStartWorkflowOperation(canaryDeployment, {
      ...asked(release, more),
      workflowIdConflictPolicy: 'FAIL',
    });
    const answer = await test.client.workflow.executeUpdateWithStart(approve, {
      args: [vote],
      startWorkflowOperation,
    });
    return { answer, canary: await startWorkflowOperation.workflowHandle() };
  };
  type Running = Awaited<ReturnType<typeof start>>;
  const inPhase = async (canary: Running, phase: string) => {
    for (;;) {
      const seen = await canary.query(getRunStatus);
      if (seen.phase === phase) return seen;
      if (seen.phase === 'ended') throw new Error(seen.sentence);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const press = (canary: Running, update: typeof pause) => canary.executeUpdate(update, { args: [button] });

  const ups = () => world.served.map((weights) => weights[candidate] ?? 0);
  const rolledBack = (result: CanaryResult) => {
    expect(result.weights).toEqual({ v1: 100 });
    expect(world.served.at(-1)).toEqual({ v1: 100 });
    expect(world.champion?.version).toBe('v1');
    expect(world.names).not.toContain('setChampion');
  };

  return { beginAgain, start, startWithVote, inPhase, press, ups, rolledBack };
}
