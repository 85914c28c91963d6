import type { EvaluateSpec, ModelSpec } from '@retempo/workflows/contracts';

import type { Call } from '../ports/call.js';
import { PortError } from '../ports/port-error.js';
import { findColumn, throwProblems } from './columns.js';
import { numberOf, textOf, withEngine, type Engine, type EngineOptions } from './engine.js';
import { loadPredictions, type Arm } from './predictions.js';
import { keyList, sliceColumn } from './snapshot.js';
import { openSource } from './source.js';
import { sqlName } from './sql.js';
import { counted } from './suggest.js';

/** One evaluated row: what happened and what every model said, joined by key. */
export interface EvaluatedRow {
  readonly key: string;
  /** Value of the spec's `unit`: rows of one cluster are resampled together. */
  readonly cluster: string;
  readonly slice: { readonly [name: string]: string };
  /** 0 or 1 for task `binary`; a finite number for `regression`. */
  readonly label: number;
  readonly candidate: number;
  readonly champion?: number;
  readonly anchor?: number;
}

/** Input of {@link joinPredictions}. */
export interface JoinInput {
  /** Absolute path of the labels.parquet of a snapshot. */
  readonly labels: string;
  /** Folders with one of `predictions.parquet`, `predictions.csv`, `predictions.jsonl`; null = there is no such model. */
  readonly candidate: string;
  readonly champion: string | null;
  readonly anchor: string | null;
  readonly evaluate: EvaluateSpec;
  readonly sliceBy: readonly string[];
  readonly task: ModelSpec['task'];
}

/**
 * Joins the labels of a snapshot with the predictions of every model, row by row, in event-time order. Nothing is ever
 * dropped: what does not fit is an error.
 *
 * @throws PortError `UserCodeFailed` for predictions that are missing, extra, duplicate, not finite or (probabilities)
 *   outside [0, 1], with counts and the first three keys; `InvalidSpec` for labels or slices the task cannot use;
 *   `NotFound` when there are no labels.
 */
export async function joinPredictions(
  input: JoinInput,
  call?: Call,
  options: EngineOptions = {}
): Promise<readonly EvaluatedRow[]> {
  const column = predictionColumn(input);
  return withEngine(options, call, async (engine) => {
    await loadLabels(engine, input);
    const arms = (['candidate', 'champion', 'anchor'] as const).filter((arm) => input[arm] !== null);
    for (const arm of arms) {
      await loadPredictions(engine, { arm, folder: input[arm]!, spec: input.evaluate.predictions, column });
    }
    return readRows(engine, arms, input.sliceBy);
  });
}

function predictionColumn({ task, evaluate }: JoinInput): string {
  const { probability, value } = evaluate.predictions;
  if (task === 'multiclass') {
    throw new PortError(
      'InvalidSpec',
      'task multiclass: one number per row cannot be compared with a class; use binary or regression'
    );
  }
  const column = task === 'binary' ? probability : value;
  if (column === undefined) {
    const wanted = task === 'binary' ? 'probability' : 'value';
    throw new PortError(
      'InvalidSpec',
      `evaluate.predictions.${wanted}: task ${task} needs the name of the column that holds it`
    );
  }
  return column;
}

async function loadLabels(engine: Engine, input: JoinInput): Promise<void> {
  const source = await openSource(engine, input.labels);
  const needed = ['key', 'time', 'label', 'unit'].map((name) => findColumn(source, name, 'labels'));
  const slices = input.sliceBy.map((name) => findColumn(source, sliceColumn(name), 'gate.slices.by'));
  throwProblems([...needed, ...slices].flatMap((found) => ('problem' in found ? [found.problem] : [])));
  const label = source.columns.find((candidate) => candidate.name === 'label')!;
  if (label.kind !== 'number' && label.kind !== 'boolean') {
    throw new PortError(
      'InvalidSpec',
      `task ${input.task} needs a label that is a number, and it has type ${label.type}`
    );
  }
  await engine.rows(
    `CREATE TEMP TABLE labels AS SELECT key AS k, "time" AS t, CAST(label AS DOUBLE) AS y, unit AS u` +
      input.sliceBy.map((name, i) => `, ${sqlName(sliceColumn(name))} AS s${i}`).join('') +
      ` FROM ${source.relation}`
  );
  const bad = input.task === 'binary' ? 'y IS NULL OR y NOT IN (0, 1)' : 'NOT coalesce(isfinite(y), false)';
  const [row] = await engine.rows(
    `SELECT count(*) AS n, count(DISTINCT k) AS keys, count(*) FILTER (${bad}) AS bad, ` +
      `list_slice(list(k ORDER BY k) FILTER (${bad}), 1, 3) AS examples FROM labels`
  );
  if (numberOf(row, 'n') === 0)
    throw new PortError('NotFound', `${input.labels} has no rows: there is nothing to judge on`);
  if (numberOf(row, 'keys') !== numberOf(row, 'n')) {
    throw new PortError('InvalidSpec', `${input.labels} has keys that are missing or not unique`);
  }
  if (numberOf(row, 'bad') > 0) {
    const wanted = input.task === 'binary' ? '0 or 1' : 'finite numbers';
    throw new PortError(
      'InvalidSpec',
      `${counted(numberOf(row, 'bad'), 'label')} of task ${input.task} are not ${wanted}, at the keys ${keyList(row!['examples'])}`
    );
  }
}

async function readRows(
  engine: Engine,
  arms: readonly Arm[],
  sliceBy: readonly string[]
): Promise<readonly EvaluatedRow[]> {
  const rows = await engine.rows(
    `SELECT labels.k AS k, y, u${sliceBy.map((_, i) => `, s${i}`).join('')}` +
      arms.map((arm) => `, ${sqlName(arm)}.p AS ${arm}`).join('') +
      ` FROM labels ${arms.map((arm) => `JOIN ${sqlName(arm)} ON ${sqlName(arm)}.k = labels.k`).join(' ')} ORDER BY t, labels.k`
  );
  return rows.map((row) => ({
    key: textOf(row, 'k'),
    cluster: textOf(row, 'u'),
    slice: Object.fromEntries(sliceBy.map((name, i) => [name, textOf(row, `s${i}`)])),
    label: numberOf(row, 'y'),
    candidate: numberOf(row, 'candidate'),
    ...(arms.includes('champion') ? { champion: numberOf(row, 'champion') } : {}),
    ...(arms.includes('anchor') ? { anchor: numberOf(row, 'anchor') } : {}),
  }));
}
