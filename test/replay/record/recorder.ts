import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Client } from '@temporalio/client';
import { format } from 'prettier';
import { repositoryRoot } from '../../support/repository.js';
import { replacementsOf, rewrite } from './rewrite.js';

export const historiesFolder = fileURLToPath(new URL('test/replay/histories/', repositoryRoot));

export interface Recorder {
  /**
   * Stores the history of one run as `<name>.json`; without run id, of the newest run. What is stored already stays as it is:
   * somebody's installation may run by it.
   */
  keep(name: string, workflowId: string, runId?: string): Promise<void>;
  /** Run ids of a chain of continue-as-new, oldest first, starting with `firstRunId`. */
  chain(workflowId: string, firstRunId: string): Promise<readonly string[]>;
  /** Names kept so far, with the number of events. */
  readonly kept: ReadonlyMap<string, number>;
}

/** Recorder of the runs that `client` sees. `folder` is where histories are stored. */
export function createRecorder(client: Client, projectFolder: string, folder = historiesFolder): Recorder {
  const kept = new Map<string, number>();
  const replacements = replacementsOf(projectFolder, fileURLToPath(repositoryRoot));
  const fetch = (workflowId: string, runId?: string) => client.workflow.getHandle(workflowId, runId).fetchHistory();
  return {
    kept,
    async keep(name, workflowId, runId) {
      const history = await fetch(workflowId, runId);
      const json = rewrite(JSON.parse(historyToJSON(history)), replacements);
      await mkdir(folder, { recursive: true });
      // Formatted as the repository formats JSON, so that a recording leaves the format check green.
      const text = await format(JSON.stringify(json), { parser: 'json', printWidth: 120 });
      const known = await writeFile(join(folder, `${name}.json`), text, { flag: 'wx' }).then(
        () => false,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return true;
        }
      );
      kept.set(name, history.events?.length ?? 0);
      console.log(`${known ? 'known already' : 'kept'}: ${name}, ${kept.get(name)} events, ${text.length} bytes`);
    },
    async chain(workflowId, firstRunId) {
      const runs = [firstRunId];
      for (let runId: string | undefined = firstRunId; runId !== undefined;) {
        const { events } = await fetch(workflowId, runId);
        const next: string | null | undefined =
          events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
        runId = next === null || next === '' ? undefined : next;
        if (runId !== undefined) runs.push(runId);
      }
      return runs;
    },
  };
}
