import { getExternalWorkflowHandle, log, type SignalDefinition } from '@temporalio/workflow';
import { rootMessage } from './activity-failures.js';
import { governorId } from './contracts/ids.js';

/** News for a governor. A courtesy: one that is away, or was terminated meanwhile, asks when it comes back. */
export async function tellGovernor<News>(
  model: string,
  signal: SignalDefinition<[News]>,
  news: NoInfer<News>
): Promise<void> {
  try {
    await getExternalWorkflowHandle(governorId(model)).signal(signal, news);
  } catch (error) {
    log.warn('the governor does not answer', { error: rootMessage(error) });
  }
}
