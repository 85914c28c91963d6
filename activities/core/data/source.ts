import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';

import { PortError } from '../ports/port-error.js';
import { textOf, type Engine } from './engine.js';
import { sqlName, sqlText, sqlTexts } from './sql.js';

/** What values of a column are. `other` = nested, binary or time-of-day: kept in files, not judged. */
export type ColumnKind = 'number' | 'string' | 'boolean' | 'time' | 'other';

/** One column of a source. */
export interface Column {
  readonly name: string;
  /** The engine's type name, such as `BIGINT`, `TIMESTAMP WITH TIME ZONE`, `DECIMAL(9,2)`. */
  readonly type: string;
  readonly kind: ColumnKind;
}

/** A source that can be queried. */
export interface OpenSource {
  /** As the caller wrote it; for messages. */
  readonly source: string;
  readonly files: readonly string[];
  readonly columns: readonly Column[];
  /** What to select from, as SQL. */
  readonly relation: string;
}

const KINDS: readonly (readonly [RegExp, ColumnKind])[] = [
  [/(\[\d*\]|^(STRUCT|MAP|UNION|LIST)\b.*)$/s, 'other'],
  [/^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|BIGNUM|DECIMAL\(.*)$/, 'number'],
  [/^(VARCHAR|UUID|ENUM\(.*)$/s, 'string'],
  [/^BOOLEAN$/, 'boolean'],
  [/^(DATE|TIMESTAMP.*)$/, 'time'],
];

/** Kind of a type name of the engine. */
export function kindOfType(type: string): ColumnKind {
  return KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? 'other';
}

/** True for types that count in whole numbers. */
export function isWholeNumberType(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|BIGNUM)$/.test(type);
}

type Format = 'parquet' | 'csv';

const FORMATS: readonly (readonly [RegExp, Format])[] = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.(csv|csv\.gz)$/i, 'csv'],
];

let views = 0;

/**
 * Opens a source: an absolute path, a `file:` URI or a glob (`*`, `?`, `[...]`, `**`) of Parquet or CSV files, all of one
 * format and with the same columns. A path that exists is taken literally even if it looks like a glob. Partition
 * folders (`year=2001/`) add no columns. CSV needs a header line; types are inferred from all of its rows, and columns
 * named in `text` stay text (so that `007` stays `007`).
 *
 * @throws PortError `InvalidSpec` (scheme, relative path, format, columns that differ between files) or `NotFound`
 *   (no such file, nothing matches the glob, an empty CSV file).
 */
export async function openSource(
  engine: Engine,
  source: string | readonly string[],
  options: { readonly text?: readonly string[] } = {}
): Promise<OpenSource> {
  const sources = typeof source === 'string' ? [source] : source;
  const label = sources.join(', ');
  const lists: string[][] = [];
  for (const one of sources) lists.push(await filesOf(engine, one));
  const files = [...new Set(lists.flat())].sort();
  const format = formatOf(label, files);
  if (format === 'csv') {
    const empty = files.find((file) => statSync(file).size === 0);
    if (empty !== undefined) throw new PortError('NotFound', `${empty} is empty: a CSV file needs a header line`);
  }
  const name = sqlName(`source ${++views}`);
  const list = sqlTexts(files.map(literalPattern));
  await requireSameColumns(engine, files, format);
  if (format === 'parquet') {
    const scan = `read_parquet(${list}, hive_partitioning = false)`;
    await engine.rows(`CREATE TEMP VIEW ${name} AS SELECT * FROM ${scan}`);
  } else {
    const csv = (types: string) =>
      `read_csv(${list}, header = true, sample_size = -1, files_to_sniff = -1, hive_partitioning = false${types})`;
    const found = await columnsOf(engine, csv(''));
    const kept = found.filter((column) => options.text?.includes(column.name) === true);
    const types = kept.length === 0 ? '' : `, types = {${kept.map((c) => `${sqlText(c.name)}: 'VARCHAR'`).join(', ')}}`;
    // Kept as a table: text is parsed once, however many questions follow.
    await engine.rows(`CREATE TEMP TABLE ${name} AS SELECT * FROM ${csv(types)}`);
  }
  const columns = await columnsOf(engine, name);
  const broken = columns.find((column) => column.name.includes('\0'));
  if (broken !== undefined) throw new PortError('InvalidSpec', `${label} has a column whose name contains NUL`);
  return { source: label, files, columns, relation: name };
}

/** Several files are read as one: a column that some of them lack would be missing without a word. */
async function requireSameColumns(engine: Engine, files: readonly string[], format: Format): Promise<void> {
  const [first, ...others] = files;
  if (first === undefined || others.length === 0) return;
  const namesOf = async (file: string): Promise<readonly string[]> => {
    const list = sqlTexts([literalPattern(file)]);
    const relation =
      format === 'parquet'
        ? `read_parquet(${list}, hive_partitioning = false)`
        : `read_csv(${list}, header = true, all_varchar = true, hive_partitioning = false)`;
    const names = (await columnsOf(engine, relation)).map((column) => column.name);
    // Parquet columns are found by name, those of CSV by position.
    return format === 'parquet' ? names.sort() : names;
  };
  const expected = await namesOf(first);
  for (const file of others) {
    const names = await namesOf(file);
    if (names.length === expected.length && names.every((name, i) => name === expected[i])) continue;
    const odd = [
      ...names.filter((name) => !expected.includes(name)),
      ...expected.filter((name) => !names.includes(name)),
    ];
    const why =
      odd.length === 0
        ? 'their order'
        : odd
            .slice(0, 5)
            .map((name) => `\`${name}\``)
            .join(', ');
    throw new PortError('InvalidSpec', `${file} does not have the same columns as ${first}: they differ in ${why}`);
  }
}

async function columnsOf(engine: Engine, relation: string): Promise<readonly Column[]> {
  const rows = await engine.rows(`DESCRIBE SELECT * FROM ${relation}`);
  return rows.map((row) => {
    const type = textOf(row, 'column_type');
    return { name: textOf(row, 'column_name'), type, kind: kindOfType(type) };
  });
}

/** Absolute path or glob of a source; nothing is read. */
export function pathOfSource(source: string): string {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(source)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'file') {
    throw new PortError(
      'InvalidSpec',
      `cannot read ${source}: data are read from local files, not from \`${scheme}:\``
    );
  }
  const path = scheme === 'file' ? pathOfUri(source) : source;
  if (/[\0\\]/.test(path))
    throw new PortError('InvalidSpec', `cannot read ${JSON.stringify(path)}: no NUL and no backslash`);
  if (!isAbsolute(path)) throw new PortError('InvalidSpec', `cannot read ${source}: the path must be absolute`);
  return path;
}

function pathOfUri(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch (cause) {
    throw new PortError('InvalidSpec', `cannot read ${uri}: not a valid file URI`, { cause });
  }
}

/** Files of a path or glob, sorted; empty when a glob matches nothing. */
export async function matchingFiles(engine: Engine, source: string): Promise<string[]> {
  const path = pathOfSource(source);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) {
    throw new PortError(
      'InvalidSpec',
      `${path} is a folder: name its files, such as ${path.replace(/\/$/, '')}/*.parquet`
    );
  }
  if (found !== undefined) return [path];
  if (!/[*?[]/.test(path)) return [];
  const rows = await engine.rows(`SELECT file FROM glob(${sqlText(path)}) ORDER BY file`);
  return rows.map((row) => textOf(row, 'file'));
}

async function filesOf(engine: Engine, source: string): Promise<string[]> {
  const files = await matchingFiles(engine, source);
  if (files.length > 0) return files;
  const isGlob = /[*?[]/.test(source);
  throw new PortError('NotFound', isGlob ? `no file matches ${source}` : `there is no file ${pathOfSource(source)}`);
}

function formatOf(label: string, files: readonly string[]): Format {
  const formats = new Set(files.map((file) => FORMATS.find(([pattern]) => pattern.test(file))?.[1]));
  const [only] = formats;
  if (formats.size === 1 && only !== undefined) return only;
  const odd = files.find((file) => FORMATS.every(([pattern]) => !pattern.test(file)));
  throw new PortError(
    'InvalidSpec',
    odd === undefined
      ? `${label} mixes Parquet and CSV files: use one format`
      : `cannot read ${odd}: only .parquet, .csv and .csv.gz are known`
  );
}

/** A path as a pattern that matches nothing but itself. */
export function literalPattern(path: string): string {
  return path.replace(/[*?[]/g, (special) => `[${special}]`);
}
