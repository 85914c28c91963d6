import type { DataSpec, WatchSpec } from '@retempo/workflows/contracts';

import type { Call } from '../ports/call.js';
import { PortError } from '../ports/port-error.js';
import { bindColumns, throwProblems } from './columns.js';
import { numberOf, textOf, withEngine, type Engine, type EngineOptions } from './engine.js';
import { keyList, requireUniqueKeys } from './snapshot.js';
import { literalPattern, matchingFiles, openSource } from './source.js';
import { sqlInstant, sqlName, sqlTexts } from './sql.js';
import { counted } from './suggest.js';
import { instantMs, type Window } from './windows.js';

/** Input of {@link labelledLosses}. */
export interface LossesInput {
  readonly data: DataSpec;
  readonly window: Window;
  /**
   * Absolute path or glob of a router's request log: newline-delimited JSON with `key`, `version`, `revision`, `at`
   * (ISO 8601), `status` (HTTP) and `prediction`. May match nothing.
   */
  readonly requestLog: string;
  readonly metric: NonNullable<WatchSpec['loss']>['metric'];
  /** Only answers of these versions count; default all. */
  readonly versions?: readonly string[];
}

/** Live quality of one window of event time. */
export interface LabelledLosses {
  readonly window: Window;
  /** Rows of the source in the window. */
  readonly rows: number;
  /** Rows that were answered with a prediction. */
  readonly joined: number;
  /** Answered rows with a label, and those still without. */
  readonly labelled: number;
  readonly unlabelled: number;
  /** Further successful answers for the same rows; the last one of each row counts. */
  readonly duplicates: number;
  /** Answered rows whose prediction is not a probability; they have no loss. */
  readonly unusable: number;
  /** Lines of the log that are not JSON objects, such as one torn by a crash. */
  readonly malformedLines: number;
  /** One loss per labelled row in order of event time; log loss is in nats, clipped at 1e-15. */
  readonly losses: readonly number[];
  /** Null without losses. */
  readonly meanLoss: number | null;
  readonly byVersion: readonly { readonly version: string; readonly n: number; readonly meanLoss: number }[];
}

const LOG_LOSS_CLIP = 1e-15;

const METRICS: { readonly [metric in LossesInput['metric']]: (probability: number, label: number) => number } = {
  logLoss: (probability, label) => {
    const clipped = Math.min(1 - LOG_LOSS_CLIP, Math.max(LOG_LOSS_CLIP, probability));
    return label === 1 ? -Math.log(clipped) : -Math.log1p(-clipped);
  },
  brier: (probability, label) => (probability - label) ** 2,
};

/**
 * Joins what a router answered with the labels that have arrived since, by key, for the rows of one window. The last
 * answer with a 2xx status wins; requests without a key cannot be joined.
 *
 * @throws PortError `InvalidSpec` for unusable columns, keys that are not unique in the window, or labels that are not 0
 *   or 1; `NotFound` when the source is missing.
 */
export async function labelledLosses(
  input: LossesInput,
  call?: Call,
  options: EngineOptions = {}
): Promise<LabelledLosses> {
  const { data, window, metric } = input;
  return withEngine(options, call, async (engine) => {
    const source = await openSource(engine, data.source, { text: [data.key] });
    const bound = bindColumns(source, { time: data.time, key: data.key, label: data.label.column });
    throwProblems(bound.problems);
    if (bound.labelColumn?.kind === 'string') {
      throw new PortError(
        'InvalidSpec',
        `${metric} needs a label that is 0 or 1, and \`${data.label.column}\` is text`
      );
    }
    const where =
      `${bound.time} >= ${sqlInstant(instantMs(window.from, 'window.from'))} AND ` +
      `${bound.time} < ${sqlInstant(instantMs(window.to, 'window.to'))}`;
    await requireUniqueKeys(engine, source, { key: bound.key, keyName: data.key, where });
    await engine.rows(
      `CREATE TEMP TABLE happened AS SELECT ${bound.key} AS k, ${bound.time} AS t, ` +
        `CAST(${sqlName(data.label.column)} AS DOUBLE) AS y FROM ${source.relation} WHERE ${where}`
    );
    await requireBinaryLabels(engine, data.label.column);
    const malformedLines = await loadAnswers(engine, input);
    return { window, malformedLines, ...(await judge(engine, metric)) };
  });
}

async function requireBinaryLabels(engine: Engine, labelName: string): Promise<void> {
  const bad = 'y IS NOT NULL AND y NOT IN (0, 1)';
  const [row] = await engine.rows(
    `SELECT count(*) AS n, list_slice(list(k ORDER BY k), 1, 3) AS examples FROM happened WHERE ${bad}`
  );
  const n = numberOf(row, 'n');
  if (n === 0) return;
  throw new PortError(
    'InvalidSpec',
    `${counted(n, 'label')} in \`${labelName}\` are not 0 or 1, at the keys ${keyList(row!['examples'])}`
  );
}

/** Fills table `answered` (k, version, p, answers) with the last answer per row of the window; returns malformed lines. */
async function loadAnswers(engine: Engine, input: LossesInput): Promise<number> {
  const files = await matchingFiles(engine, input.requestLog);
  await engine.rows('CREATE TEMP TABLE lines (line BIGINT, json JSON)');
  if (files.length > 0) {
    const list = sqlTexts(files.map(literalPattern));
    await engine.rows(
      `INSERT INTO lines SELECT row_number() OVER (), json FROM read_ndjson_objects(${list}, ignore_errors = true)`
    );
  }
  const [row] = await engine.rows(`SELECT count(*) AS n FROM lines WHERE coalesce(json_type(json), '') <> 'OBJECT'`);
  const ofVersions = input.versions === undefined ? 'true' : `version IN (SELECT unnest(${sqlTexts(input.versions)}))`;
  await engine.rows(
    `CREATE TEMP TABLE answered AS SELECT k, arg_max(version, (moment, line)) AS version, ` +
      `arg_max(coalesce(p, 'NaN'::DOUBLE), (moment, line)) AS p, count(*) AS answers FROM (` +
      `SELECT line, json ->> '/key' AS k, coalesce(json ->> '/version', '') AS version, coalesce(json ->> '/at', '') AS moment, ` +
      `TRY_CAST(json ->> '/status' AS INTEGER) AS status, TRY_CAST(json ->> '/prediction' AS DOUBLE) AS p FROM lines ` +
      `WHERE json_type(json) = 'OBJECT') WHERE status BETWEEN 200 AND 299 AND k IN (SELECT k FROM happened) AND ${ofVersions} GROUP BY k`
  );
  return numberOf(row, 'n');
}

type Judged = Omit<LabelledLosses, 'window' | 'malformedLines'>;

async function judge(engine: Engine, metric: LossesInput['metric']): Promise<Judged> {
  const usable = 'p BETWEEN 0 AND 1';
  const [counts] = await engine.rows(
    `SELECT (SELECT count(*) FROM happened) AS happened, count(*) AS joined, count(y) AS labelled, ` +
      `CAST(coalesce(sum(answers - 1), 0) AS BIGINT) AS duplicates, count(*) FILTER (NOT (${usable})) AS unusable ` +
      `FROM happened JOIN answered USING (k)`
  );
  const rows = await engine.rows(
    `SELECT version, p, y FROM happened JOIN answered USING (k) WHERE y IS NOT NULL AND ${usable} ORDER BY t, k`
  );
  const losses = rows.map((row) => METRICS[metric](numberOf(row, 'p'), numberOf(row, 'y')));
  const ofVersion = new Map<string, number[]>();
  for (const [i, row] of rows.entries()) {
    const version = textOf(row, 'version');
    const own = ofVersion.get(version);
    if (own === undefined) ofVersion.set(version, [losses[i]!]);
    else own.push(losses[i]!);
  }
  const joined = numberOf(counts, 'joined');
  const labelled = numberOf(counts, 'labelled');
  return {
    rows: numberOf(counts, 'happened'),
    joined,
    labelled,
    unlabelled: joined - labelled,
    duplicates: numberOf(counts, 'duplicates'),
    unusable: numberOf(counts, 'unusable'),
    losses,
    meanLoss: losses.length === 0 ? null : mean(losses),
    byVersion: [...ofVersion]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([version, own]) => ({ version, n: own.length, meanLoss: mean(own) })),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
