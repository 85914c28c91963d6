import type { ControlActivities } from '@retempo/workflows/contracts';
import type { Call } from '../ports/index.js';
import type { Registry } from '../registry/index.js';
import { monitorPath, type MonitorState } from './state.js';

const idOf = (report: { readonly windowId: string; readonly part: string; readonly revision: number }) =>
  `${report.windowId} ${report.part} ${report.revision}`;

/** The governor has these reports: they are not sent again. */
export async function confirmReports(
  registry: Registry,
  { model, reports }: Parameters<ControlActivities['confirmReports']>[0],
  call: Call
): Promise<void> {
  const confirmed = new Set(reports.map(idOf));
  await registry.updateDocument<MonitorState>(
    monitorPath(model),
    (state) => {
      if (state === null) return undefined;
      const undelivered = state.undelivered.filter((report) => !confirmed.has(idOf(report)));
      return undelivered.length === state.undelivered.length ? undefined : { ...state, undelivered };
    },
    call
  );
}

/** The loss detector and the memory of drifted features begin anew: what they had found has been acted upon. */
export async function resetMonitor(
  registry: Registry,
  { model, runId }: Parameters<ControlActivities['resetMonitor']>[0],
  call: Call
): Promise<void> {
  await registry.updateDocument<MonitorState>(
    monitorPath(model),
    (state) =>
      state === null || state.resetBy === runId ? undefined : { ...state, detector: null, history: [], resetBy: runId },
    call
  );
}
