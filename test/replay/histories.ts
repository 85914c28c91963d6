import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { repositoryRoot } from '../support/repository.js';

// One history per workflow type and path, as recorded by scripts/record-histories.mjs.

const folder = fileURLToPath(new URL('test/replay/histories/', repositoryRoot));

export interface StoredHistory {
  /** `<workflow type>-<path>` */
  readonly name: string;
  readonly workflowType: string;
  readonly path: string;
  readonly text: string;
}

/** All stored histories, by name. Reads files only. */
export function storedHistories(): readonly StoredHistory[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -'.json'.length);
      const dash = name.indexOf('-');
      const [workflowType, path] = [name.slice(0, dash), name.slice(dash + 1)];
      return { name, workflowType, path, text: readFileSync(`${folder}${file}`, 'utf8') };
    });
}

/** Bundles the workflows as a worker does; once per test file, because bundling is nearly all of a replay's time. */
export function bundleWorkflows(workflowsPath = fileURLToPath(import.meta.resolve('@retempo/workflows'))) {
  return bundleWorkflowCode({ workflowsPath, logger: quiet });
}

const nothing = () => undefined;
const quiet = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Replays one history; throws `DeterminismViolationError` when the code would have done something else. */
export function replay(bundle: WorkflowBundleWithSourceMap, history: unknown): Promise<void> {
  return Worker.runReplayHistory({ workflowBundle: bundle }, historyFromJSON(history));
}
