import { condition, workflowInfo } from '@temporalio/workflow';

/** True when this run has more events than that, or the server suggests to begin anew (by default at 4,096). */
export function historyBeyond(events: number): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  return historyLength > events || continueAsNewSuggested;
}

/**
 * Call it right before a run begins anew: a cancellation that came in the same task as what makes the run long enough would be
 * lost with it, because nothing is awaited any more that it could end.
 *
 * @throws CancelledFailure
 */
export const heedCancellation = (): Promise<void> => condition(() => true);
