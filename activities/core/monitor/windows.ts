import type { DataActivities, VersionRecord, WindowReport } from '@retempo/workflows/contracts';
import { gateDocument, type GateEvidence } from '../control/gate.js';
import { getChampion } from '../control/versions.js';
import type { Stores } from '../artifacts/index.js';
import { dueWindows, type DueWindow } from '../data/index.js';
import { isPortError, type Call, type MetricsSource } from '../ports/index.js';
import type { Registry } from '../registry/index.js';
import { judgeFeatures, trainingProfile } from './features.js';
import { judgeLabels } from './labels.js';
import { freshMonitor, monitorPath, type MonitorState } from './state.js';

export interface MonitorDependencies {
  readonly registry: Registry;
  readonly stores: Stores;
  /** Metrics of the site; null where it serves nothing. */
  readonly metrics: MetricsSource | null;
}

/** Windows judged by one call; the next call goes on. */
const windowsPerCall = 20;

/**
 * Judges every window that is due, first its features, then, when they have arrived, its labels. The monitor's document is
 * changed by compare-and-set, so that two checks at once judge a window once; reports stay in it until the governor has them.
 */
export async function checkWindows(
  dependencies: MonitorDependencies,
  input: Parameters<DataActivities['checkWindows']>[0],
  call: Call
): ReturnType<DataActivities['checkWindows']> {
  for (;;) {
    try {
      return await checkOnce(dependencies, input, call);
    } catch (error) {
      // Somebody else was faster, another check or the end of a run: look at what they have left, and judge that.
      if (!isPortError(error) || error.class !== 'Conflict') throw error;
    }
  }
}

async function checkOnce(
  dependencies: MonitorDependencies,
  input: Parameters<DataActivities['checkWindows']>[0],
  call: Call
): ReturnType<DataActivities['checkWindows']> {
  const { registry } = dependencies;
  const { model } = input;
  const { champion } = await getChampion(registry, { model, anchor: null }, call);
  const stored = await registry.readDocument<MonitorState>(monitorPath(model), call);
  if (champion === null) return { reports: stored?.value.undelivered ?? [] };
  const before =
    stored?.value.champion === champion.version ? stored.value : freshMonitor(champion.version, stored?.value ?? null);
  const after = await judgeDue(dependencies, input, champion, before, call);
  const condition = stored === null ? ({ ifAbsent: true } as const) : { ifTag: stored.tag };
  await registry.writeDocument(monitorPath(model), after, condition, call);
  return { reports: after.undelivered };
}

async function judgeDue(
  dependencies: MonitorDependencies,
  { model, spec }: Parameters<DataActivities['checkWindows']>[0],
  champion: VersionRecord,
  before: MonitorState,
  call: Call
): Promise<MonitorState> {
  const { registry, stores, metrics } = dependencies;
  const { data, watch } = spec;
  const due = (reportedTo: string | null) =>
    dueWindows({ data, watch, reportedTo, firstFrom: champion.data.evaluateWindow.to, atMost: windowsPerCall }, call);
  let state = before;
  const add = (report: WindowReport, more: Partial<MonitorState>) => {
    state = { ...state, ...more, undelivered: [...state.undelivered, report] };
  };

  const featureWindows = (await due(state.featuresTo)).windows;
  if (featureWindows.length > 0) {
    const reference = await trainingProfile({ registry, stores }, model, champion, spec, call);
    for (const window of featureWindows) {
      const { report, history } = await judgeFeatures(
        { spec, champion, window, reference, history: state.history },
        call
      );
      add(report, { featuresTo: window.to, history });
    }
  }

  const log = await requestLog(metrics, spec.release.endpoint, call);
  const gate = (await registry.readDocument<GateEvidence>(gateDocument(model, champion.releaseId), call))?.value;
  const reference = gate?.referenceLoss ?? null;
  if (watch.loss === null || log === null || reference === null) return state;
  for (const window of labelled((await due(state.labelsTo)).windows)) {
    const { report, detector } = await judgeLabels(
      { spec, champion: champion.version, window, requestLog: log, reference, detector: state.detector },
      call
    );
    add(report, { labelsTo: window.to, detector });
  }
  return state;
}

/** Labels come in order: a window is not judged before the ones before it. */
function labelled(windows: readonly DueWindow[]): readonly DueWindow[] {
  const first = windows.findIndex((window) => !window.labelled);
  return first === -1 ? windows : windows.slice(0, first);
}

async function requestLog(metrics: MetricsSource | null, endpoint: string, call: Call): Promise<string | null> {
  if (metrics === null) return null;
  return (await metrics.requestLog(endpoint, call))?.glob ?? null;
}
