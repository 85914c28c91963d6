import { statSync } from 'node:fs';
import { join } from 'node:path';

import type { EvaluateSpec } from '@retempo/workflows/contracts';

import { PortError } from '../ports/port-error.js';
import { numberOf, textOf, type Engine } from './engine.js';
import { keyList } from './snapshot.js';
import { literalPattern } from './source.js';
import { sqlName, sqlText } from './sql.js';
import { counted, didYouMean } from './suggest.js';

/** Which model predicted. */
export type Arm = 'candidate' | 'champion' | 'anchor';

/** Names a program may give its predictions, with how each is read as text. */
const READERS: readonly (readonly [string, (list: string) => string])[] = [
  ['predictions.parquet', (list) => `read_parquet(${list}, hive_partitioning = false)`],
  ['predictions.csv', (list) => `read_csv(${list}, header = true, all_varchar = true, hive_partitioning = false)`],
  ['predictions.jsonl', (list) => `read_ndjson_objects(${list})`],
];

/**
 * Loads the predictions of one arm into a table with columns `k` (text) and `p` (DOUBLE) and checks them against the
 * table `labels`: every labelled key exactly once, nothing else, finite numbers, probabilities within [0, 1].
 *
 * @throws PortError `UserCodeFailed` that counts every kind of breach and names the first three keys of each.
 */
export async function loadPredictions(
  engine: Engine,
  input: {
    readonly arm: Arm;
    readonly folder: string;
    readonly spec: EvaluateSpec['predictions'];
    readonly column: string;
  }
): Promise<void> {
  const { arm, folder, spec, column } = input;
  const found = READERS.filter(([name]) => statSync(join(folder, name), { throwIfNoEntry: false })?.isFile() === true);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    const what = only === undefined ? 'wrote no predictions' : `wrote ${found.map(([name]) => name).join(' and ')}`;
    throw new PortError(
      'UserCodeFailed',
      `the ${arm}'s evaluation ${what} in ${folder}: one of ${READERS.map(([name]) => name).join(', ')} is needed`
    );
  }
  const [fileName, reader] = only;
  const file = join(folder, fileName);
  if (fileName === 'predictions.csv' && statSync(file).size === 0) fail(arm, file, ['the file is empty']);
  const relation = reader(`[${sqlText(literalPattern(file))}]`);
  const table = sqlName(arm);
  await readAs(arm, file, async () => {
    const select = await selection(engine, { fileName, relation, key: spec.key, column });
    if ('problems' in select) fail(arm, file, select.problems);
    await engine.rows(
      `CREATE TEMP TABLE ${table} AS SELECT ${select.k} AS k, TRY_CAST(${select.p} AS DOUBLE) AS p FROM ${relation}`
    );
  });
  const problems = await breaches(engine, { table, spec, column });
  if (problems.length > 0) fail(arm, file, problems);
}

function fail(arm: Arm, file: string, problems: readonly string[]): never {
  throw new PortError('UserCodeFailed', `the ${arm}'s predictions in ${file} cannot be used: ${problems.join('; ')}`);
}

/** What cannot be parsed is the program's fault, not the specification's. */
async function readAs(arm: Arm, file: string, read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (error instanceof PortError && error.class === 'InvalidSpec') fail(arm, file, [error.message]);
    throw error;
  }
}

async function selection(
  engine: Engine,
  input: { readonly fileName: string; readonly relation: string; readonly key: string; readonly column: string }
): Promise<{ readonly k: string; readonly p: string } | { readonly problems: readonly string[] }> {
  if (input.fileName === 'predictions.jsonl') {
    // A JSON pointer: unlike a path it can carry any name.
    const member = (name: string) => `(json ->> ${sqlText(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)})`;
    return { k: member(input.key), p: member(input.column) };
  }
  const columns = (await engine.rows(`DESCRIBE SELECT * FROM ${input.relation}`)).map((row) =>
    textOf(row, 'column_name')
  );
  const problems = [input.key, input.column].flatMap((name) =>
    columns.includes(name) ? [] : [`there is no column \`${name}\`${didYouMean(name, columns)}`]
  );
  if (problems.length > 0) return { problems };
  return { k: `CAST(${sqlName(input.key)} AS VARCHAR)`, p: sqlName(input.column) };
}

async function breaches(
  engine: Engine,
  input: { readonly table: string; readonly spec: EvaluateSpec['predictions']; readonly column: string }
): Promise<readonly string[]> {
  const { table, spec, column } = input;
  const isProbability = spec.probability === column;
  const unusable = `k IS NOT NULL AND NOT coalesce(isfinite(p), false)`;
  const checks: readonly (readonly [string, string, string])[] = [
    ['row', `without \`${spec.key}\``, `SELECT NULL AS k FROM ${table} WHERE k IS NULL`],
    ['key', 'predicted more than once', `SELECT k FROM ${table} WHERE k IS NOT NULL GROUP BY k HAVING count(*) > 1`],
    ['key', 'not predicted', `SELECT k FROM labels WHERE k NOT IN (SELECT k FROM ${table} WHERE k IS NOT NULL)`],
    [
      'key',
      'that nobody asked for',
      `SELECT DISTINCT k FROM ${table} WHERE k IS NOT NULL AND k NOT IN (SELECT k FROM labels)`,
    ],
    ['key', `without a finite number in \`${column}\``, `SELECT k FROM ${table} WHERE ${unusable}`],
    ...(isProbability
      ? [
          [
            'key',
            `with \`${column}\` outside [0, 1]`,
            `SELECT k FROM ${table} WHERE isfinite(p) AND (p < 0 OR p > 1)`,
          ] as const,
        ]
      : []),
  ];
  const problems: string[] = [];
  for (const [noun, what, sql] of checks) {
    const [row] = await engine.rows(
      `SELECT count(*) AS n, list_slice(list(k ORDER BY k) FILTER (k IS NOT NULL), 1, 3) AS examples FROM (${sql})`
    );
    const n = numberOf(row, 'n');
    if (n === 0) continue;
    const examples = keyList(row!['examples']);
    problems.push(`${counted(n, noun)} ${what}${examples === '' ? '' : ` (first: ${examples})`}`);
  }
  return problems;
}
