import { getExternalWorkflowHandle, log } from '@temporalio/workflow';
import { rootMessage } from './activity-failures.js';
import { governorId } from './contracts/ids.js';
import type { ReleaseReport } from './contracts/index.js';
import { releaseReported } from './messages.js';

/** News of a run. A courtesy: a governor that is away, or was terminated meanwhile, asks when it comes back. */
export async function tellGovernor(model: string, report: ReleaseReport): Promise<void> {
  try {
    await getExternalWorkflowHandle(governorId(model)).signal(releaseReported, report);
  } catch (error) {
    log.warn('the governor does not answer', { error: rootMessage(error) });
  }
}
