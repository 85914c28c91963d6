import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { searchAttributes } from '@retempo/workflows/contracts';
import { CliError, exitCode, messageOf } from '../failure.js';
import { openOnly } from '../temporal.js';

/** One model as the list of running workflows shows it: no workflow is asked, so it costs one call for any number. */
export interface ModelRow {
  readonly model: string;
  /** Phase of the governor, or `absent` when none runs while something else of the model does. */
  readonly phase: string;
  readonly run: {
    readonly runId: string;
    /** Phase of the part of the run that has come furthest. */
    readonly phase: string;
    /** ISO 8601. */
    readonly since: string;
  } | null;
  readonly endpoint: string | null;
  readonly site: string | null;
}

/** A model's endpoint, and where its requests go. */
export interface ServedAt {
  readonly name: string;
  readonly site: string;
  /** Base address of the Open Inference Protocol v2; null while nothing serves there, or when only the site's own cloud knows. */
  readonly url: string | null;
}

/** Address that requests for predictions go to. */
export const inferUrl = ({ name, url }: ServedAt): string | null =>
  url === null ? null : `${url}/v2/models/${encodeURIComponent(name)}/infer`;

/** What of a row of the list is used. */
export type ListRow = Pick<
  WorkflowExecutionInfo,
  'type' | 'workflowId' | 'startTime' | 'memo' | 'typedSearchAttributes'
>;

/** Parts of a run, the one that says most last. */
const parts: readonly string[] = ['modelRelease', 'trainingPipeline', 'validationGate', 'canaryDeployment'];

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const modelKey = keyword(searchAttributes.model);
const phaseKey = keyword(searchAttributes.phase);

/** Makes one row per model of list rows in any order. */
export function rowsOf(listed: readonly ListRow[]): readonly ModelRow[] {
  const byModel = new Map<string, ListRow[]>();
  for (const row of listed) {
    const model = row.typedSearchAttributes.get(modelKey);
    if (model !== undefined) byModel.set(model, [...(byModel.get(model) ?? []), row]);
  }
  return [...byModel].map(([model, rows]) => rowOf(model, rows)).toSorted((a, b) => (a.model < b.model ? -1 : 1));
}

function rowOf(model: string, rows: readonly ListRow[]): ModelRow {
  const governor = rows.find(({ type }) => type === 'continuousTraining');
  const release = rows.find(({ type }) => type === 'modelRelease');
  const furthest = parts.flatMap((type) => rows.filter((row) => row.type === type)).at(-1);
  const text = (name: string): string | null => {
    const value = governor?.memo?.[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    model,
    phase: governor === undefined ? 'absent' : phaseOf(governor),
    run:
      release === undefined
        ? null
        : {
            runId: release.workflowId,
            phase: phaseOf(furthest ?? release),
            since: release.startTime.toISOString(),
          },
    endpoint: text('endpoint'),
    site: text('site'),
  };
}

const phaseOf = (row: ListRow): string => row.typedSearchAttributes.get(phaseKey) ?? 'unknown';

/** Lists every workflow of Retempo that runs, paused ones too. */
export async function listRunning(client: Client, namespace: string): Promise<readonly ListRow[]> {
  const query = `${searchAttributes.model} IS NOT NULL AND ${openOnly}`;
  const listed: ListRow[] = [];
  try {
    for await (const row of client.workflow.list({ query, pageSize: 1_000 })) listed.push(row);
  } catch (error) {
    if (!/search attribute/i.test(`${messageOf(error)} ${messageOf((error as { cause?: unknown }).cause)}`))
      throw error;
    throw new CliError(
      exitCode.failed,
      'searchAttributes',
      `namespace ${namespace} does not have the search attributes of Retempo, so nothing was ever applied here; do it with: retempo apply`,
      error
    );
  }
  return listed;
}

/** Lists everything of Retempo that runs, as one row per model. */
export const listModels = async (client: Client, namespace: string): Promise<readonly ModelRow[]> =>
  rowsOf(await listRunning(client, namespace));
