import type { Call } from '../ports/call.js';
import { bindColumns, throwProblems } from './columns.js';
import { numberOf, withEngine, type EngineOptions } from './engine.js';
import { eventSpan, requireUniqueKeys } from './snapshot.js';
import { openSource, type Column } from './source.js';
import { iso } from './windows.js';

/** What a source holds. */
export interface SourceDescription {
  readonly files: readonly string[];
  readonly columns: readonly Column[];
  readonly rows: number;
  /** First and last event time, ISO 8601; null when no time column was named. */
  readonly firstEvent: string | null;
  readonly lastEvent: string | null;
}

/**
 * Describes a source. With `time`, `key` (and `label`) it also checks that these columns exist, have usable types, that
 * every row has a time and that keys are unique.
 *
 * @throws PortError `NotFound` (no such file, no rows) or `InvalidSpec` (all problems of the columns in one message).
 */
export async function describeSource(
  input: { readonly source: string; readonly time?: string; readonly key?: string; readonly label?: string },
  call?: Call,
  options: EngineOptions = {}
): Promise<SourceDescription> {
  return withEngine(options, call, async (engine) => {
    const { time, key, label } = input;
    const source = await openSource(engine, input.source, key === undefined ? {} : { text: [key] });
    const [row] = await engine.rows(`SELECT count(*) AS n FROM ${source.relation}`);
    const found = { files: source.files, columns: source.columns, rows: numberOf(row, 'n') };
    if (time === undefined) return { ...found, firstEvent: null, lastEvent: null };
    const bound = bindColumns(source, { time, key: key ?? time, ...(label === undefined ? {} : { label }) });
    throwProblems(bound.problems.filter((problem) => key !== undefined || !problem.startsWith('data.key')));
    const span = await eventSpan(engine, source, bound);
    if (key !== undefined) await requireUniqueKeys(engine, source, { key: bound.key, keyName: key, where: 'true' });
    return { ...found, firstEvent: iso(span.minMs), lastEvent: iso(span.maxMs) };
  });
}
