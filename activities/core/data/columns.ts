import type { DataSpec } from '@retempo/workflows/contracts';

import { PortError } from '../ports/port-error.js';
import { isWholeNumberType, type Column, type OpenSource } from './source.js';
import { sqlName } from './sql.js';
import { didYouMean } from './suggest.js';

/** A column, or the sentence that says why there is none. */
export type Found = { readonly column: Column } | { readonly problem: string };

/** Looks a column up by its exact name. */
export function findColumn(source: OpenSource, name: string, role: string): Found {
  const column = source.columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return { column };
  const names = source.columns.map((candidate) => candidate.name);
  return { problem: `${role}: ${source.source} has no column \`${name}\`${didYouMean(name, names)}` };
}

/** Throws all problems as one `InvalidSpec`; nothing when there are none. */
export function throwProblems(problems: readonly string[]): void {
  if (problems.length > 0) throw new PortError('InvalidSpec', problems.join('; '));
}

/** Event time of a column as SQL: TIMESTAMP in UTC. Times without a zone are taken as UTC. */
export function timeSql(column: Column): string {
  const name = sqlName(column.name);
  return column.type === 'TIMESTAMP WITH TIME ZONE' ? `timezone('UTC', ${name})` : `CAST(${name} AS TIMESTAMP)`;
}

/** Identity of a row as SQL: text, exact for whole numbers of any size. */
export function keySql(column: Column): string {
  return `CAST(${sqlName(column.name)} AS VARCHAR)`;
}

/** The columns that windows, joins and losses need, as SQL expressions over the source. */
export interface BoundColumns {
  readonly timeColumn: Column;
  readonly keyColumn: Column;
  readonly labelColumn: Column | null;
  /** TIMESTAMP in UTC. */
  readonly time: string;
  /** VARCHAR. */
  readonly key: string;
  readonly problems: readonly string[];
}

/**
 * Finds and type-checks the columns of a spec; collects what is wrong instead of stopping at the first. `time` and `key`
 * are not usable when there are problems.
 */
export function bindColumns(
  source: OpenSource,
  names: { readonly time: string; readonly key: string; readonly label?: string }
): BoundColumns {
  const time = findColumn(source, names.time, 'data.time');
  const key = findColumn(source, names.key, 'data.key');
  const label = names.label === undefined ? null : findColumn(source, names.label, 'data.label.column');
  const problems = [time, key, label].flatMap((found) => (found !== null && 'problem' in found ? [found.problem] : []));
  if ('column' in time && time.column.kind !== 'time') {
    problems.push(
      `data.time: \`${names.time}\` has type ${time.column.type}; it must be a date or a timestamp (convert it where the data are made)`
    );
  }
  if ('column' in key && key.column.kind !== 'string' && !isWholeNumberType(key.column.type)) {
    problems.push(`data.key: \`${names.key}\` has type ${key.column.type}; a key must be text or a whole number`);
  }
  if (label !== null && 'column' in label && !['number', 'boolean', 'string'].includes(label.column.kind)) {
    problems.push(
      `data.label.column: \`${names.label}\` has type ${label.column.type}; a label must be a number, a boolean or text`
    );
  }
  const none: Column = { name: '', type: '', kind: 'other' };
  const timeColumn = 'column' in time ? time.column : none;
  const keyColumn = 'column' in key ? key.column : none;
  return {
    timeColumn,
    keyColumn,
    labelColumn: label !== null && 'column' in label ? label.column : null,
    time: timeSql(timeColumn),
    key: keySql(keyColumn),
    problems,
  };
}

/** Calendar parts that a unit or a slice may take from a time column, as `<column>.<part>`; in UTC, as text. */
const PARTS: { readonly [part: string]: (time: string) => string } = {
  day: (time) => `strftime(${time}, '%Y-%m-%d')`,
  week: (time) => `strftime(${time}, '%G-W%V')`,
  month: (time) => `strftime(${time}, '%Y-%m')`,
  dayOfWeek: (time) => `strftime(${time}, '%a')`,
  hour: (time) => `strftime(${time}, '%H')`,
};

/**
 * A grouping of rows as SQL text: a column, `<time column>.<part>` or a bare part of the event time (`day`, `week`,
 * `month`, `dayOfWeek` = Mon..Sun, `hour` = 00..23). A column of that name comes first. Missing values are `(missing)`.
 */
export function groupingSql(
  source: OpenSource,
  input: { readonly name: string; readonly role: string; readonly eventTime: string }
): { readonly sql: string } | { readonly problem: string } {
  const present = (sql: string) => ({ sql: `coalesce(${sql}, '(missing)')` });
  const exact = source.columns.find((column) => column.name === input.name);
  if (exact !== undefined) return present(`CAST(${sqlName(exact.name)} AS VARCHAR)`);
  const dot = input.name.lastIndexOf('.');
  const part = Object.hasOwn(PARTS, input.name.slice(dot + 1)) ? PARTS[input.name.slice(dot + 1)] : undefined;
  const column = source.columns.find(
    (candidate) => candidate.name === (dot < 0 ? input.eventTime : input.name.slice(0, dot))
  );
  if (part !== undefined && column?.kind === 'time') return present(part(timeSql(column)));
  const found = findColumn(source, part !== undefined && dot >= 0 ? input.name.slice(0, dot) : input.name, input.role);
  return 'problem' in found
    ? found
    : {
        problem: `${input.role}: \`${input.name}\` needs a time column, and \`${found.column.name}\` has type ${found.column.type}`,
      };
}

/** Columns of the source that a model may learn from, in the order of the source. */
export function selectFeatures(
  source: OpenSource,
  data: DataSpec
): { readonly features: readonly Column[]; readonly problems: readonly string[] } {
  const { include, except, important } = data.features;
  const problems: string[] = [];
  const check = (names: readonly string[], role: string) => {
    for (const name of names) {
      const found = findColumn(source, name, role);
      if ('problem' in found) problems.push(found.problem);
    }
  };
  check(except, 'data.features.except');
  if (include !== 'all') check(include, 'data.features.include');
  if (include !== 'all' && include.includes(data.label.column)) {
    problems.push(`data.features.include: \`${data.label.column}\` is the label; a model must not see it`);
  }
  const notFeatures = new Set([data.key, data.time, data.label.column, ...except]);
  const features = source.columns.filter(
    ({ name }) => !notFeatures.has(name) && (include === 'all' || include.includes(name))
  );
  const names = features.map((column) => column.name);
  for (const name of important) {
    if (!names.includes(name)) {
      problems.push(`data.features.important: \`${name}\` is not a feature${didYouMean(name, names)}`);
    }
  }
  if (features.length === 0 && problems.length === 0) problems.push('data.features: no column is left to learn from');
  return { features, problems };
}
