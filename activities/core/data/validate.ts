import type { ColumnRule } from '@retempo/workflows/contracts';

import type { Call } from '../ports/call.js';
import { numberOf, numberOrNull, withEngine, type EngineOptions, type EngineRow } from './engine.js';
import { keyList } from './snapshot.js';
import { openSource, type Column } from './source.js';
import { sqlName, sqlText } from './sql.js';
import { counted, didYouMean } from './suggest.js';

/** One expectation that the data do not meet. */
export interface Breach {
  readonly column: string;
  readonly rule: 'present' | 'type' | 'min' | 'max' | 'missingAtMost' | 'oneOf';
  /** One sentence with numbers. */
  readonly message: string;
  /** Rows that breach the rule; all rows when the column itself is wrong. */
  readonly rows: number;
  /** Rows looked at. */
  readonly of: number;
}

/** A rule's question: SQL aggregates under aliases that begin with `prefix`, and how to read the answers. */
interface Check {
  readonly select: readonly string[];
  readonly read: (row: EngineRow) => Breach | null;
}

/**
 * Checks every rule against all rows of the files (Parquet or CSV) in one scan and lists every breach. Missing = NULL or
 * NaN; missing values breach `missingAtMost` only. Empty list = the data are as expected.
 *
 * @throws PortError when the files cannot be read (see `openSource`).
 */
export async function validateRows(
  input: { readonly files: readonly string[]; readonly rules: readonly ColumnRule[] },
  call?: Call,
  options: EngineOptions = {}
): Promise<readonly Breach[]> {
  return withEngine(options, call, async (engine) => {
    const asText = input.rules.filter((rule) => rule.type === 'string').map((rule) => rule.column);
    const source = await openSource(engine, input.files, { text: asText });
    const checks = input.rules.flatMap((rule, i) => checksOf(rule, source.columns, `c${i}`));
    const select = ['count(*) AS n', ...checks.flatMap((check) => check.select)];
    const [row] = await engine.rows(`SELECT ${select.join(', ')} FROM ${source.relation}`);
    return checks.flatMap((check) => check.read(row!) ?? []);
  });
}

function checksOf(rule: ColumnRule, columns: readonly Column[], prefix: string): readonly Check[] {
  const column = columns.find((candidate) => candidate.name === rule.column);
  const whole = (kind: 'present' | 'type', message: string): Check => ({
    select: [],
    read: (row) => ({ column: rule.column, rule: kind, message, rows: numberOf(row, 'n'), of: numberOf(row, 'n') }),
  });
  if (column === undefined) {
    const names = columns.map((candidate) => candidate.name);
    return [whole('present', `there is no column \`${rule.column}\`${didYouMean(rule.column, names)}`)];
  }
  if (rule.type !== undefined && rule.type !== column.kind) {
    return [whole('type', `\`${rule.column}\` has type ${column.type}; expected is ${rule.type}`)];
  }
  if ((rule.min !== undefined || rule.max !== undefined) && column.kind !== 'number') {
    return [whole('type', `\`${rule.column}\` has type ${column.type}; min and max need a number`)];
  }
  return [
    ...(rule.min === undefined ? [] : [limitCheck(rule.column, 'min', rule.min, `${prefix}_min`)]),
    ...(rule.max === undefined ? [] : [limitCheck(rule.column, 'max', rule.max, `${prefix}_max`)]),
    ...(rule.missingAtMost === undefined ? [] : [missingCheck(column, rule.missingAtMost, `${prefix}_missing`)]),
    ...(rule.oneOf === undefined ? [] : [oneOfCheck(column, rule.oneOf, `${prefix}_one`)]),
  ];
}

const number = (name: string) => `CAST(${sqlName(name)} AS DOUBLE)`;

function limitCheck(name: string, rule: 'min' | 'max', limit: number, alias: string): Check {
  const x = number(name);
  const limitSql = `CAST(${sqlText(String(limit))} AS DOUBLE)`;
  // NaN compares as greater than everything, so it is taken out by name.
  const breach = `NOT isnan(${x}) AND ${x} ${rule === 'min' ? '<' : '>'} ${limitSql}`;
  const extreme = rule === 'min' ? 'min' : 'max';
  return {
    select: [`count(*) FILTER (${breach}) AS ${alias}`, `${extreme}(${x}) FILTER (NOT isnan(${x})) AS ${alias}_worst`],
    read: (row) => {
      const rows = numberOf(row, alias);
      if (rows === 0) return null;
      const side = rule === 'min' ? 'below' : 'above';
      const worst = numberOrNull(row, `${alias}_worst`);
      const message = `\`${name}\`: ${counted(rows, 'row')} ${side} ${limit}, the ${rule === 'min' ? 'least' : 'greatest'} is ${worst}`;
      return { column: name, rule, message, rows, of: numberOf(row, 'n') };
    },
  };
}

function missingSql(column: Column): string {
  const isFraction = /^(FLOAT|DOUBLE)$/.test(column.type);
  const name = sqlName(column.name);
  return isFraction ? `${name} IS NULL OR isnan(${name})` : `${name} IS NULL`;
}

function missingCheck(column: Column, atMost: number, alias: string): Check {
  return {
    select: [`count(*) FILTER (${missingSql(column)}) AS ${alias}`],
    read: (row) => {
      const rows = numberOf(row, alias);
      const of = numberOf(row, 'n');
      if (rows <= atMost * of) return null;
      const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;
      const message = `\`${column.name}\`: ${counted(rows, 'row')} of ${of.toLocaleString('en-US')} are missing (${percent(rows / of)}), allowed are ${percent(atMost)}`;
      return { column: column.name, rule: 'missingAtMost', message, rows, of };
    },
  };
}

function oneOfCheck(column: Column, oneOf: NonNullable<ColumnRule['oneOf']>, alias: string): Check {
  const isNumber = column.kind === 'number';
  const value = isNumber ? number(column.name) : `CAST(${sqlName(column.name)} AS VARCHAR)`;
  const allowed = oneOf.map((one) =>
    isNumber ? `TRY_CAST(${sqlText(String(one))} AS DOUBLE)` : `CAST(${sqlText(String(one))} AS VARCHAR)`
  );
  const breach = `NOT (${missingSql(column)}) AND NOT list_contains([${allowed.join(', ')}]::${isNumber ? 'DOUBLE' : 'VARCHAR'}[], ${value})`;
  return {
    select: [
      `count(*) FILTER (${breach}) AS ${alias}`,
      `list_slice(list(DISTINCT CAST(${sqlName(column.name)} AS VARCHAR) ORDER BY CAST(${sqlName(column.name)} AS VARCHAR)) FILTER (${breach}), 1, 3) AS ${alias}_seen`,
    ],
    read: (row) => {
      const rows = numberOf(row, alias);
      if (rows === 0) return null;
      const message = `\`${column.name}\`: ${counted(rows, 'row')} outside the allowed values, such as ${keyList(row[`${alias}_seen`])}`;
      return { column: column.name, rule: 'oneOf', message, rows, of: numberOf(row, 'n') };
    },
  };
}
