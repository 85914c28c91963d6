import { condition, setHandler } from '@temporalio/workflow';
import { requestRetrain } from '@retempo/workflows/messages';

/** A governor that answers every request alike, for what is between it and its starters. */
export async function continuousTraining(): Promise<void> {
  setHandler(requestRetrain, ({ id }) => ({ answer: 'refused', repeated: false, reason: `seen ${id}` }));
  await condition(() => false);
}
