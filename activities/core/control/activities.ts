import { Context, log } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { ControlActivities } from '@retempo/workflows/contracts';
import type { Stores } from '../artifacts/index.js';
import { createCheckpointActivities } from '../jobs/index.js';
import { portCalls } from '../jobs/calls.js';
import { withActivityFailures } from '../jobs/failures.js';
import { confirmReports, resetMonitor } from '../monitor/reports.js';
import type { ArtifactStore, Notifier } from '../ports/index.js';
import type { Registry } from '../registry/index.js';
import { evaluateGate } from './gate.js';
import { loadGovernor, saveGovernor } from './governor-documents.js';
import { describeRelease, exportRun } from './runs.js';
import { getChampion, getPreviousChampion, registerVersion, setChampion } from './versions.js';

export interface ControlDependencies {
  /** For asking about releases and keeping their histories. */
  readonly client: Client;
  readonly registry: Registry;
  /** Every store that artifacts may lie in. */
  readonly stores: Stores;
  /** Store of histories and records. */
  readonly store: ArtifactStore;
  /** Tells people; default: the worker's log. */
  readonly notifier?: Notifier;
  /** Longest wait for one answer, in milliseconds. Default 30,000. */
  readonly callTimeoutMs?: number;
}

/** Activities of `retempo.control`. */
export function createControlActivities(dependencies: ControlDependencies): ControlActivities {
  const { client, registry, stores, store, notifier, callTimeoutMs = 30_000 } = dependencies;
  const calls = () => portCalls(callTimeoutMs);
  return withActivityFailures<ControlActivities>({
    ...createCheckpointActivities({ stores: stores.all }),
    loadGovernor: ({ model }) => calls().read('load the governor', (call) => loadGovernor(registry, model, call)),
    saveGovernor: (input) => calls().change('save the governor', (call) => saveGovernor(registry, input, call)),
    describeRelease: ({ releaseId }) => describeRelease(client, releaseId),
    getChampion: (input) => calls().read('read the champion', (call) => getChampion(registry, input, call)),
    getPreviousChampion: ({ model }) =>
      calls().read('read the previous champion', (call) => getPreviousChampion(registry, model, call)),
    registerVersion: (input) => calls().change('register', (call) => registerVersion(registry, input, call)),
    setChampion: (input) => calls().change('set the champion', (call) => setChampion(registry, input, call)),
    evaluateGate: (input) =>
      calls().transfer('evaluate the gate', (call) => evaluateGate({ registry, stores }, input, call)),
    resetMonitor: (input) => calls().change('reset the monitor', (call) => resetMonitor(registry, input, call)),
    confirmReports: (input) => calls().change('confirm reports', (call) => confirmReports(registry, input, call)),
    exportRun: (input) =>
      calls().transfer('export the run', (call) => exportRun({ client, registry, store }, input, call)),
    async notifyPeople(event) {
      const { workflowExecution } = Context.current().info;
      const link = workflowExecution?.workflowId ?? '';
      log.warn(event.text, { kind: event.kind, model: event.model, workflow: link });
      if (notifier !== undefined) await calls().change('notify', (call) => notifier.notify({ ...event, link }, call));
    },
  });
}
