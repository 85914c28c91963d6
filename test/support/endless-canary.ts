import { condition, setHandler } from '@temporalio/workflow';
import { abort } from '@retempo/workflows/messages';

/** Stands for a canary whose way back takes for ever: it accepts an abort, and does not end. */
export async function canaryDeployment(): Promise<void> {
  setHandler(abort, () => ({ done: true, reason: 'on the way back' }));
  await condition(() => false);
}

/** And for its run. */
export const modelRelease = (): Promise<void> => condition(() => false);
