import type { DataSpec } from '@retempo/workflows/contracts';

import type { Call } from '../ports/call.js';
import { PortError } from '../ports/port-error.js';
import { findColumn, selectFeatures, throwProblems, timeSql } from './columns.js';
import { numberOf, withEngine, type Engine, type EngineOptions } from './engine.js';
import { categoricalScan, referenceValues } from './profile-categorical.js';
import { numericScan, percentileEdges, type ColumnScan } from './profile-numeric.js';
import type { FeatureProfile, Profile } from './profile-types.js';
import { openSource, type Column, type OpenSource } from './source.js';
import { sqlInstant, sqlName } from './sql.js';
import { didYouMean } from './suggest.js';
import { instantMs, type Window } from './windows.js';

/** Input of {@link profileOf}. */
export interface ProfileInput {
  readonly data: DataSpec;
  /** Absolute paths, `file:` URIs or globs; default `data.source`. */
  readonly files?: readonly string[];
  /** Only events of these windows, each counted once; default all rows. The profile's window is the span of them. */
  readonly windows?: readonly Window[];
  /** Bins and features of this profile are used: only then can the two be compared or merged. */
  readonly reference?: Profile;
}

/** A numeric label with at most this many distinct values is a class, not a quantity. */
const MOST_CLASSES = 20;

/**
 * Summarises the features and the label of a data window. With `reference` it is one scan of the data; without, the
 * percentiles and the most frequent values are found first. Memory does not grow with the number of rows:
 * what does not fit is spilled.
 *
 * Formulas and choices: percentiles of the reference as edges, so that one outlier cannot hide a shift; point masses in
 * bins of their own; missing values as values. The same rows in the same files give the same profile to the last bit.
 *
 * @throws PortError `InvalidSpec` when columns are missing or a feature of the reference changed its type; `NotFound`
 *   when there are no such files.
 */
export async function profileOf(input: ProfileInput, call?: Call, options: EngineOptions = {}): Promise<Profile> {
  // One thread: floating-point sums depend on the order of their terms.
  return withEngine({ ...options, threads: 1 }, call, async (engine) => {
    const { data, windows, reference } = input;
    const opened = await openSource(engine, input.files ?? data.source, { text: [data.key] });
    const relation = windows === undefined ? opened.relation : windowRelation(opened, data.time, windows);
    const columns = reference === undefined ? columnsToLearnFrom(opened, data) : columnsOf(reference, opened);
    const scans: { readonly isTarget: boolean; readonly scan: ColumnScan<FeatureProfile> }[] = [];
    for (const [i, column] of columns.entries()) {
      const scan = await scanOf(engine, { ...column, relation, alias: `c${i}`, data });
      scans.push({ isTarget: column.isTarget, scan });
    }
    const select = ['count(*) AS n', ...scans.flatMap(({ scan }) => scan.select)];
    const project = scans.flatMap(({ scan }) => scan.project);
    const values = project.length === 0 ? '*' : project.join(', ');
    const [row] = await engine.rows(`SELECT ${select.join(', ')} FROM (SELECT ${values} FROM ${relation})`);
    const profiles = scans.map(({ isTarget, scan }) => ({ isTarget, feature: scan.read(row!) }));
    return {
      v: 'retempo.profile/v1',
      window: windows === undefined ? null : spanOf(windows),
      rows: numberOf(row, 'n'),
      features: profiles.filter(({ isTarget }) => !isTarget).map(({ feature }) => feature),
      target: profiles.find(({ isTarget }) => isTarget)?.feature ?? null,
    };
  });
}

interface ProfiledColumn {
  readonly column: Column;
  readonly isTarget: boolean;
  readonly reference: FeatureProfile | null;
}

function windowRelation(source: OpenSource, timeName: string, windows: readonly Window[]): string {
  const found = findColumn(source, timeName, 'data.time');
  if ('problem' in found) throw new PortError('InvalidSpec', found.problem);
  if (found.column.kind !== 'time') {
    throw new PortError('InvalidSpec', `data.time: \`${timeName}\` has type ${found.column.type}; it must be a time`);
  }
  const time = timeSql(found.column);
  const inside = windows.map(({ from, to }) => {
    const [first, end] = [instantMs(from, 'window.from'), instantMs(to, 'window.to')];
    return `(${time} >= ${sqlInstant(first)} AND ${time} < ${sqlInstant(end)})`;
  });
  return `(SELECT * FROM ${source.relation} WHERE ${inside.join(' OR ') || 'false'})`;
}

function spanOf(windows: readonly Window[]): Window | null {
  const [first] = windows.toSorted((a, b) => Date.parse(a.from) - Date.parse(b.from));
  const last = windows.toSorted((a, b) => Date.parse(a.to) - Date.parse(b.to)).at(-1);
  return first === undefined || last === undefined ? null : { from: first.from, to: last.to };
}

function columnsToLearnFrom(source: OpenSource, data: DataSpec): readonly ProfiledColumn[] {
  // Names that only the spec's own source has (left out of a snapshot) are no mistake here.
  const known = data.features.except.filter((name) => source.columns.some((column) => column.name === name));
  const { features, problems } = selectFeatures(source, { ...data, features: { ...data.features, except: known } });
  throwProblems(problems);
  const target = source.columns.find((column) => column.name === data.label.column);
  return [...features, ...(target === undefined ? [] : [target])]
    .filter((column) => isProfiled(column))
    .map((column) => ({ column, isTarget: column === target, reference: null }));
}

function columnsOf(reference: Profile, source: OpenSource): readonly ProfiledColumn[] {
  const problems: string[] = [];
  const names = source.columns.map((column) => column.name);
  const wanted = [
    ...reference.features.map((feature) => ({ feature, isTarget: false })),
    ...(reference.target === null ? [] : [{ feature: reference.target, isTarget: true }]),
  ];
  const columns = wanted.flatMap(({ feature, isTarget }) => {
    const column = source.columns.find((candidate) => candidate.name === feature.name);
    if (column === undefined) {
      // Features of rows to be predicted come without the label.
      if (!isTarget)
        problems.push(`${source.source} has no column \`${feature.name}\`${didYouMean(feature.name, names)}`);
      return [];
    }
    if (!isProfiled(column) || (feature.kind === 'numeric' && column.kind !== 'number')) {
      const was = feature.kind === 'numeric' ? 'a number' : 'a category';
      problems.push(`\`${feature.name}\` was ${was} in the reference and has type ${column.type} in ${source.source}`);
    }
    return [{ column, isTarget, reference: feature }];
  });
  throwProblems(problems);
  return columns;
}

function isProfiled(column: Column): boolean {
  return column.kind === 'number' || column.kind === 'boolean' || column.kind === 'string';
}

async function scanOf(
  engine: Engine,
  input: ProfiledColumn & { readonly relation: string; readonly alias: string; readonly data: DataSpec }
): Promise<ColumnScan<FeatureProfile>> {
  const { column, isTarget, reference, relation, alias } = input;
  const { name } = column;
  const { important } = input.data.features;
  const isImportant = important.length === 0 || important.includes(name);
  const common = { name, alias, importance: reference?.importance ?? (isImportant ? 1 : 0) };
  if (reference?.kind === 'categorical') return categoricalScan({ ...common, reference });
  if (reference?.kind === 'numeric')
    return numericScan({ ...common, edges: reference.edges, points: reference.points });
  if (column.kind !== 'number' || (isTarget && (await isClass(engine, relation, name)))) {
    return categoricalScan({ ...common, reference: await referenceValues(engine, relation, name) });
  }
  return numericScan({ ...common, edges: await percentileEdges(engine, relation, name), points: null });
}

async function isClass(engine: Engine, relation: string, name: string): Promise<boolean> {
  const [row] = await engine.rows(
    `SELECT count(*) AS n FROM (SELECT DISTINCT ${sqlName(name)} FROM ${relation} WHERE ${sqlName(name)} IS NOT NULL LIMIT ${MOST_CLASSES + 1})`
  );
  return numberOf(row, 'n') <= MOST_CLASSES;
}
