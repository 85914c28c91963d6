import { numberOf, textOf, type Engine, type EngineRow } from './engine.js';
import type { ColumnScan } from './profile-numeric.js';
import type { CategoricalProfile } from './profile-types.js';
import { sqlName, sqlText } from './sql.js';

/** Most values a reference lists. */
export const TOP_VALUES = 200;
const VALUE_CHARACTERS = 128;

/** A column as category: text without NUL, cut so that a profile stays small. */
function categorySql(name: string): string {
  return `left(replace(CAST(${sqlName(name)} AS VARCHAR), chr(0), '\uFFFD'), ${VALUE_CHARACTERS})`;
}

/** The values a reference lists, most frequent first, ties in order of the text. */
export interface ReferenceValues {
  readonly values: readonly string[];
  readonly complete: boolean;
}

/**
 * Values of a reference: all of them up to 200; of more, the 200 most frequent that occur at least twice, so that free
 * text or identifiers leave no single row in a profile.
 */
export async function referenceValues(engine: Engine, relation: string, name: string): Promise<ReferenceValues> {
  const rows = await engine.rows(
    `SELECT ${categorySql(name)} AS value, count(*) AS n FROM ${relation} WHERE ${sqlName(name)} IS NOT NULL ` +
      `GROUP BY 1 ORDER BY n DESC, value LIMIT ${TOP_VALUES + 1}`
  );
  const complete = rows.length <= TOP_VALUES;
  const kept = complete ? rows : rows.slice(0, TOP_VALUES).filter((row) => numberOf(row, 'n') > 1);
  return { values: kept.map((row) => textOf(row, 'value')), complete };
}

/** Counts of one categorical column over the values of a reference. */
export function categoricalScan(input: {
  readonly name: string;
  readonly alias: string;
  readonly importance: number;
  readonly reference: ReferenceValues;
}): ColumnScan<CategoricalProfile> {
  const { name, alias: a, importance } = input;
  const { values, complete } = input.reference;
  const project = [`${categorySql(name)} AS ${a}_c`];
  const select = [
    `count(${a}_c) AS ${a}_n`,
    // An ENUM looks values up by hash: a list of 200 would be searched from its start for every row.
    ...(values.length === 0
      ? []
      : [`histogram(enum_code(TRY_CAST(${a}_c AS ENUM(${values.map(sqlText).join(', ')})))) AS ${a}_h`]),
  ];
  const read = (row: EngineRow): CategoricalProfile => {
    const byCode = new Map(entriesOf(row[`${a}_h`]));
    const counts = values.map((_, code) => byCode.get(code) ?? 0);
    const n = numberOf(row, `${a}_n`);
    const rest = n - counts.reduce((sum, count) => sum + count, 0);
    return {
      name,
      kind: 'categorical',
      importance,
      nulls: numberOf(row, 'n') - n,
      values,
      counts,
      other: complete ? 0 : rest,
      unseen: complete ? rest : 0,
      complete,
    };
  };
  return { project, select, read };
}

function entriesOf(map: unknown): readonly (readonly [number, number])[] {
  if (!Array.isArray(map)) return [];
  return map.map((entry: { readonly key: unknown; readonly value: unknown }) => [
    Number(entry.key),
    Number(entry.value),
  ]);
}
