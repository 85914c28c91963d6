import { workflowInfo } from '@temporalio/workflow';

/** True when this run has more events than that, or the server suggests to begin anew (by default at 4,096). */
export function historyBeyond(events: number): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  return historyLength > events || continueAsNewSuggested;
}
