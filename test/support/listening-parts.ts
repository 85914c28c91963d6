import { condition, defineQuery, setHandler, startChild, workflowInfo } from '@temporalio/workflow';
import {
  abort,
  approve,
  getDecisions,
  getRunStatus,
  getStatus,
  pause,
  promote,
  reject,
  requestRetrain,
  resume,
  rollback,
  triggersReported,
  type RunStatus,
} from '@retempo/workflows/messages';
import type { GovernorStatus } from '@retempo/workflows/contracts';

// The parts of a release as its starters see them: they say what they were told to say, and remember what they hear.

export const heardQuery = defineQuery<readonly (readonly [message: string, told: unknown])[]>('heard');

async function listen(status: unknown): Promise<void> {
  const heard: [string, unknown][] = [];
  const here = workflowInfo().workflowId;
  for (const message of [abort, approve, pause, promote, reject, resume, rollback]) {
    setHandler(message, (told: unknown) => {
      heard.push([message.name, told]);
      return { done: true, reason: here };
    });
  }
  setHandler(requestRetrain, (told) => {
    heard.push([requestRetrain.name, told]);
    return { answer: 'refused', repeated: false, reason: `heard ${heard.length}` };
  });
  setHandler(triggersReported, (told) => void heard.push([triggersReported.name, told]));
  setHandler(getStatus, () => status as GovernorStatus);
  setHandler(getDecisions, (asked) => [asked] as never);
  setHandler(getRunStatus, () => ({ sentence: here }) as RunStatus);
  setHandler(heardQuery, () => heard);
  await condition(() => false);
}

export const continuousTraining = listen;
export const trainingPipeline = listen;
export const canaryDeployment = listen;
export const validationGate = listen;
export const driftCheck = listen;

/** A release with these parts, each with its type and id. */
export async function modelRelease(children: readonly (readonly [type: string, workflowId: string])[]): Promise<void> {
  for (const [type, workflowId] of children) await startChild(type, { workflowId, args: [null] });
  await condition(() => false);
}
