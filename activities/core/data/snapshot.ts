import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { DataSpec } from '@retempo/workflows/contracts';

import type { Call } from '../ports/call.js';
import { PortError } from '../ports/port-error.js';
import { bindColumns, groupingSql, selectFeatures, throwProblems, type BoundColumns } from './columns.js';
import { numberOf, withEngine, type Engine, type EngineOptions } from './engine.js';
import { openSource, type Column, type OpenSource } from './source.js';
import { sqlInstant, sqlName, sqlText } from './sql.js';
import { counted } from './suggest.js';
import { durationText, instantMs, iso, splitWindows, type Window } from './windows.js';

/** A window and the number of labelled rows written for it. */
export interface WindowRows extends Window {
  readonly rows: number;
}

/** What {@link snapshotData} wrote. */
export interface DataSnapshot {
  /** Newest event time of the source, ISO 8601. */
  readonly watermark: string;
  readonly train: WindowRows;
  readonly evaluate: WindowRows;
  /** Share of rows of each window that have a label, 0 to 1; rows without one are counted and left out. */
  readonly labelCoverage: { readonly train: number; readonly evaluate: number; readonly unlabelled: number };
  /** Names of the columns a model may learn from. */
  readonly features: readonly string[];
  /** Absolute folders: `train/train.parquet`, `evaluate/features.parquet`, `labels/labels.parquet`. */
  readonly folders: { readonly train: string; readonly evaluate: string; readonly labels: string };
}

/** Input of {@link snapshotData}. */
export interface SnapshotInput {
  readonly data: DataSpec;
  /** Absolute folder to write into; existing files of an earlier attempt are replaced. */
  readonly folder: string;
  /** Only rows at or after this instant (ISO 8601) are evaluated: the end of the champion's training window. */
  readonly evaluateOnlyAfter?: string;
  /** Groupings written to the labels as text: a column, `<time column>.<part>` or a part of the event time. */
  readonly sliceBy?: readonly string[];
}

/** Name of the column of labels.parquet that holds a slice. */
export function sliceColumn(name: string): string {
  return `slice:${name}`;
}

/**
 * Cuts the training and the evaluation window of a run out of the source, by event time only: the wall clock has no say,
 * so the same data always give the same files, byte for byte (rows sorted by time and key).
 *
 * `train.parquet` holds key, time, features and label; `features.parquet` key, time and features, never the label;
 * `labels.parquet` key (text), time (UTC), label, unit (text) and one text column `slice:<name>` per slice, for the rows
 * of `features.parquet`.
 *
 * @throws PortError `InvalidSpec` for columns that are missing or of the wrong type, events without a time, keys that are
 *   missing or not unique, labels that are NaN; `NotFound` when the source does not cover the windows yet.
 */
export async function snapshotData(
  input: SnapshotInput,
  call?: Call,
  options: EngineOptions = {}
): Promise<DataSnapshot> {
  return withEngine(options, call, async (engine) => {
    const { data } = input;
    const { source, plan, span, windows, where, train, evaluate } = await checkWindows(engine, input);
    const label = sqlName(data.label.column);
    const inputs = unique([data.key, data.time, ...plan.features.map((column) => column.name)]).map(sqlName);
    const write = (
      file: string,
      select: readonly string[],
      window: { readonly fromMs: number; readonly toMs: number }
    ) =>
      writeParquet(
        engine,
        join(input.folder, file),
        `SELECT ${select.join(', ')} FROM ${source.relation} WHERE ${where(window)} AND ${label} IS NOT NULL ` +
          `ORDER BY ${plan.bound.time}, ${plan.bound.key}`
      );
    await write('train/train.parquet', [...inputs, label], windows.train);
    await write('evaluate/features.parquet', inputs, windows.evaluate);
    await write('labels/labels.parquet', labelColumns(plan, label), windows.evaluate);

    return {
      watermark: iso(span.maxMs),
      train: windowRows(windows.train, train.labelled),
      evaluate: windowRows(windows.evaluate, evaluate.labelled),
      labelCoverage: {
        train: train.labelled / train.rows,
        evaluate: evaluate.labelled / evaluate.rows,
        unlabelled: train.rows - train.labelled + evaluate.rows - evaluate.labelled,
      },
      features: plan.features.map((column) => column.name),
      folders: {
        train: join(input.folder, 'train'),
        evaluate: join(input.folder, 'evaluate'),
        labels: join(input.folder, 'labels'),
      },
    };
  });
}

/**
 * The windows that a run would cut out of the source now, and their labelled rows; writes nothing. A model that has a
 * champion is evaluated on no more than that.
 *
 * @throws PortError as {@link snapshotData}.
 */
export async function countWindows(
  input: Pick<SnapshotInput, 'data' | 'sliceBy'>,
  call?: Call,
  options: EngineOptions = {}
): Promise<Pick<DataSnapshot, 'train' | 'evaluate'>> {
  return withEngine(options, call, async (engine) => {
    const { windows, train, evaluate } = await checkWindows(engine, input);
    return {
      train: windowRows(windows.train, train.labelled),
      evaluate: windowRows(windows.evaluate, evaluate.labelled),
    };
  });
}

const windowRows = ({ fromMs, toMs }: Windows['train'], rows: number): WindowRows => ({
  from: iso(fromMs),
  to: iso(toMs),
  rows,
});

/** Everything that is checked and counted before anything is written. */
async function checkWindows(engine: Engine, input: Omit<SnapshotInput, 'folder'>) {
  const { data } = input;
  const source = await openSource(engine, data.source, { text: [data.key] });
  const plan = planColumns(source, input);
  const span = await eventSpan(engine, source, plan.bound);
  const windows = clipEvaluation(splitWindows(span.maxMs, data), input.evaluateOnlyAfter, data);
  requireCovered(windows, span, data, source.source);
  const where = (window: Windows['train']) =>
    `${plan.bound.time} >= ${sqlInstant(window.fromMs)} AND ${plan.bound.time} < ${sqlInstant(window.toMs)}`;
  const either = `((${where(windows.train)}) OR (${where(windows.evaluate)}))`;
  await requireUniqueKeys(engine, source, { key: plan.bound.key, keyName: data.key, where: either });
  const train = await countLabels(engine, source, plan, where(windows.train), data.label.column);
  const evaluate = await countLabels(engine, source, plan, where(windows.evaluate), data.label.column);
  requireRows({ train, evaluate }, windows, source.source);
  return { source, plan, span, windows, where, train, evaluate };
}

interface ColumnPlan {
  readonly bound: BoundColumns;
  readonly label: Column;
  readonly features: readonly Column[];
  readonly unit: string;
  readonly slices: readonly { readonly name: string; readonly sql: string }[];
}

function planColumns(source: OpenSource, { data, sliceBy = [] }: Omit<SnapshotInput, 'folder'>): ColumnPlan {
  const bound = bindColumns(source, { time: data.time, key: data.key, label: data.label.column });
  const { features, problems } = selectFeatures(source, data);
  const all = [...bound.problems, ...problems];
  const group = (name: string, role: string): string => {
    const found = groupingSql(source, { name, role, eventTime: data.time });
    if ('sql' in found) return found.sql;
    all.push(found.problem);
    return '';
  };
  const unit = group(data.unit, 'data.unit');
  const slices = unique(sliceBy).map((name) => ({ name, sql: group(name, 'gate.slices.by') }));
  throwProblems(all);
  return { bound, label: bound.labelColumn!, features, unit, slices };
}

function labelColumns(plan: ColumnPlan, label: string): readonly string[] {
  return [
    `${plan.bound.key} AS key`,
    `${plan.bound.time} AS "time"`,
    `${label} AS label`,
    `${plan.unit} AS unit`,
    ...plan.slices.map((slice) => `${slice.sql} AS ${sqlName(sliceColumn(slice.name))}`),
  ];
}

/** First and last event time of a source, in epoch milliseconds. */
export interface EventSpan {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * First and last event time, rounded down to milliseconds.
 *
 * @throws PortError `NotFound` for a source without rows, `InvalidSpec` for events without a (finite) time.
 */
export async function eventSpan(engine: Engine, source: OpenSource, bound: BoundColumns): Promise<EventSpan> {
  const [row] = await engine.rows(
    `SELECT count(*) AS n, count(*) FILTER (NOT coalesce(isfinite(${bound.time}), false)) AS timeless, ` +
      `epoch_ms(min(${bound.time}) FILTER (isfinite(${bound.time}))) AS first, ` +
      `epoch_ms(max(${bound.time}) FILTER (isfinite(${bound.time}))) AS last FROM ${source.relation}`
  );
  const n = numberOf(row, 'n');
  const timeless = numberOf(row, 'timeless');
  if (n === 0) throw new PortError('NotFound', `${source.source} has no rows`);
  if (timeless > 0) {
    throw new PortError(
      'InvalidSpec',
      `${counted(timeless, 'row')} of ${n.toLocaleString('en-US')} in ${source.source} have no usable \`${bound.timeColumn.name}\`: an event needs a time`
    );
  }
  return { minMs: numberOf(row, 'first'), maxMs: numberOf(row, 'last') };
}

type Windows = ReturnType<typeof splitWindows>;

function clipEvaluation(windows: Windows, onlyAfter: string | undefined, data: DataSpec): Windows {
  if (onlyAfter === undefined) return windows;
  const afterMs = instantMs(onlyAfter, 'evaluateOnlyAfter');
  const { evaluate } = windows;
  if (afterMs >= evaluate.toMs) {
    throw new PortError(
      'NotFound',
      `nothing to evaluate on: labels are complete up to ${iso(evaluate.toMs)} and the champion was trained on data up to ` +
        `${iso(afterMs)}; needed are events up to ${iso(afterMs + windows.stepMs + data.label.arrivesAfterMs)}`
    );
  }
  return { ...windows, evaluate: { ...evaluate, fromMs: Math.max(evaluate.fromMs, afterMs) } };
}

function requireCovered(windows: Windows, span: EventSpan, data: DataSpec, source: string): void {
  const firstMs = Math.floor(span.minMs / windows.stepMs) * windows.stepMs;
  if (firstMs <= windows.train.fromMs) return;
  const { trainMs, gapMs, evaluateMs } = data.split;
  const neededUntilMs = firstMs + trainMs + gapMs + evaluateMs + data.label.arrivesAfterMs;
  throw new PortError(
    'NotFound',
    `not enough data yet: ${source} has events from ${iso(span.minMs)} to ${iso(span.maxMs)}; training on ` +
      `${durationText(trainMs)}, a gap of ${durationText(gapMs)}, evaluating on ${durationText(evaluateMs)} and labels ` +
      `that arrive after ${durationText(data.label.arrivesAfterMs)} need events from ${iso(windows.train.fromMs)}, or ` +
      `from the same start up to ${iso(neededUntilMs)}`
  );
}

/** Throws `InvalidSpec` with the count and the first three when keys are missing or not unique. */
export async function requireUniqueKeys(
  engine: Engine,
  source: OpenSource,
  input: { readonly key: string; readonly keyName: string; readonly where: string }
): Promise<void> {
  const [row] = await engine.rows(
    `SELECT coalesce(sum(n) FILTER (k IS NULL), 0)::BIGINT AS keyless, count(*) FILTER (k IS NOT NULL) AS twice, ` +
      `list_slice(list(k ORDER BY k) FILTER (k IS NOT NULL), 1, 3) AS examples ` +
      `FROM (SELECT ${input.key} AS k, count(*) AS n FROM ${source.relation} WHERE ${input.where} GROUP BY 1 ` +
      `HAVING count(*) > 1 OR ${input.key} IS NULL)`
  );
  const keyless = numberOf(row, 'keyless');
  const twice = numberOf(row, 'twice');
  const problems: string[] = [];
  if (twice > 0) {
    problems.push(
      `${counted(twice, 'key')} in \`${input.keyName}\` of ${source.source} name more than one row: ${keyList(row!['examples'])}`
    );
  }
  if (keyless > 0) problems.push(`${counted(keyless, 'row')} of ${source.source} have no \`${input.keyName}\``);
  throwProblems(problems);
}

/** Keys for a message, as many as were selected; long ones are cut. */
export function keyList(keys: unknown): string {
  const shown: readonly unknown[] = Array.isArray(keys) ? keys : [];
  return shown.map((key) => JSON.stringify(String(key).slice(0, 64))).join(', ');
}

async function countLabels(
  engine: Engine,
  source: OpenSource,
  plan: ColumnPlan,
  where: string,
  labelName: string
): Promise<{ readonly rows: number; readonly labelled: number }> {
  const label = sqlName(labelName);
  const isFraction = /^(FLOAT|DOUBLE)$/.test(plan.label.type);
  const broken = isFraction ? `NOT isfinite(${label})` : 'false';
  const [row] = await engine.rows(
    `SELECT count(*) AS n, count(${label}) AS labelled, count(*) FILTER (${broken}) AS broken, ` +
      `list_slice(list(${plan.bound.key} ORDER BY ${plan.bound.key}) FILTER (${broken}), 1, 3) AS examples ` +
      `FROM ${source.relation} WHERE ${where}`
  );
  const problems = numberOf(row, 'broken');
  if (problems > 0) {
    throw new PortError(
      'InvalidSpec',
      `${counted(problems, 'label')} in \`${labelName}\` are not finite numbers, at the keys ${keyList(row!['examples'])}`
    );
  }
  return { rows: numberOf(row, 'n'), labelled: numberOf(row, 'labelled') };
}

function requireRows(
  counts: { readonly [window in 'train' | 'evaluate']: { readonly rows: number; readonly labelled: number } },
  windows: Windows,
  source: string
): void {
  for (const name of ['train', 'evaluate'] as const) {
    const { rows, labelled } = counts[name];
    if (labelled > 0) continue;
    const { fromMs, toMs } = windows[name];
    throw new PortError(
      'NotFound',
      `the ${name} window [${iso(fromMs)}, ${iso(toMs)}) of ${source} has ${counted(rows, 'row')}` +
        (rows === 0 ? ': needed is at least one' : ' and not one label: needed is at least one that has arrived')
    );
  }
}

async function writeParquet(engine: Engine, file: string, select: string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  // A reader never sees half a file, whenever the process ends.
  const unfinished = `${file}.unfinished`;
  try {
    await engine.rows(`COPY (${select}) TO ${sqlText(unfinished)} (FORMAT parquet, COMPRESSION zstd)`);
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
