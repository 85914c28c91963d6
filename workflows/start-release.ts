import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, startChild } from '@temporalio/workflow';
import type { Installation, ModelSpec } from './contracts/index.js';
import type { RunningRelease } from './domain/governor/state.js';
import type { modelRelease } from './model-release.js';
import { startAttributes, summaryLine } from './visibility.js';

/**
 * Starts the release of an accepted run, to live on by itself. Its id is the run's: a second start is refused by the server
 * and changes nothing.
 */
export async function startRelease(
  context: { readonly installation: Installation; readonly spec: ModelSpec; readonly specDigest: string },
  running: RunningRelease
): Promise<void> {
  const { installation, spec, specDigest } = context;
  const more = running.causes > 1 ? `, ${running.causes} causes` : '';
  const cause = `${running.cause}${more}`;
  try {
    await startChild<typeof modelRelease>('modelRelease', {
      workflowId: running.runId,
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      staticSummary: summaryLine(`retrain ${spec.model}: ${cause}`),
      typedSearchAttributes: startAttributes(spec.model, 'running'),
      args: [
        {
          v: 1,
          installation,
          releaseId: running.runId,
          seq: running.seq,
          spec,
          specDigest,
          cause,
          requestedBy: running.requestedBy,
          causedByDrift: running.byDrift,
        },
      ],
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
