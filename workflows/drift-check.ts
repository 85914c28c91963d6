import { ApplicationFailure, getExternalWorkflowHandle, isCancellation } from '@temporalio/workflow';
import { governorId } from './contracts/ids.js';
import type { Installation, ModelSpec, WindowReport } from './contracts/index.js';
import { windowReported } from './messages.js';
import { controlWrites, dataAt } from './proxies.js';
import { showDetails } from './visibility.js';

export interface DriftCheckInput {
  readonly v: 1;
  readonly installation: Installation;
  readonly spec: ModelSpec;
}

/**
 * Judges every window of one model that is due, and reports all of them, the calm ones too. It waits for nothing and
 * decides nothing: the governor does. Started by a Temporal Schedule; running it more often changes nothing. Without a governor
 * it fails, and the next one tells what this one could not.
 */
export async function driftCheck(input: DriftCheckInput): Promise<{ readonly reports: readonly WindowReport[] }> {
  const { spec, installation } = input;
  const { reports } = await dataAt(
    spec.release.site,
    installation.limits,
    `windows of ${spec.model} that are due`
  ).checkWindows({ model: spec.model, spec });
  const governor = getExternalWorkflowHandle(governorId(spec.model));
  for (const report of reports) {
    await governor.signal(windowReported, report).catch((error: unknown) => {
      if (isCancellation(error)) throw error;
      throw ApplicationFailure.nonRetryable(`${spec.model} has no governor that listens; start it with: retempo apply`);
    });
  }
  if (reports.length > 0)
    await controlWrites(installation.limits, 'reports heard').confirmReports({ model: spec.model, reports });
  showDetails({
    title: reports.length === 0 ? 'no window is due' : `${reports.length} windows reported`,
    facts: reports.map((r): [string, string] => [`${r.windowId} ${r.part}`, `${r.verdict}: ${r.reason}`]),
  });
  return { reports };
}
