import { condition, setHandler } from '@temporalio/workflow';
import { abort, type Button } from '@retempo/workflows/messages';

/** Stands for a canary that ends when it is told to, with what it was told. */
export async function canaryDeployment(): Promise<Button | null> {
  let told: Button | null = null;
  setHandler(abort, (button) => {
    told = button;
    return { done: true, reason: 'on the way back' };
  });
  await condition(() => told !== null);
  return told;
}

const waiting = (): Promise<void> => condition(() => false);

/** And for its run and its governor. */
export const modelRelease = waiting;
export const continuousTraining = waiting;
