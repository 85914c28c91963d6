import { condition, setHandler } from '@temporalio/workflow';
import { abort } from '@retempo/workflows/messages';

/** Stands for a canary that ends when it is told to. */
export async function canaryDeployment(): Promise<void> {
  let isAborted = false;
  setHandler(abort, () => {
    isAborted = true;
    return { done: true, reason: 'on the way back' };
  });
  await condition(() => isAborted);
}

/** And for its run and its governor. */
export const modelRelease = (): Promise<void> => condition(() => false);
export const continuousTraining = modelRelease;
