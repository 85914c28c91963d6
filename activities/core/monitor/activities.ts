import type { DataActivities } from '@retempo/workflows/contracts';
import { portCalls } from '../jobs/calls.js';
import { withActivityFailures } from '../jobs/failures.js';
import type { ArtifactStore } from '../ports/index.js';
import { freezeData } from './snapshot.js';
import { checkWindows, type MonitorDependencies } from './windows.js';

export interface DataDependencies extends MonitorDependencies {
  /** Store of the site: snapshots go there. */
  readonly store: ArtifactStore;
}

/** Activities of a site's `data` queue that read the model's data. */
export function createDataActivities(dependencies: DataDependencies): DataActivities {
  const calls = () => portCalls(30_000);
  return withActivityFailures<DataActivities>({
    snapshotData: (input) => calls().transfer('freeze the data', (call) => freezeData(dependencies.store, input, call)),
    checkWindows: (input) => calls().transfer('check windows', (call) => checkWindows(dependencies, input, call)),
  });
}
