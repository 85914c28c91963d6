import type { DataSpec, WatchSpec } from '@retempo/workflows/contracts';

import type { Call } from '../ports/call.js';
import { PortError } from '../ports/port-error.js';
import { bindColumns, throwProblems } from './columns.js';
import { withEngine, type EngineOptions } from './engine.js';
import { eventSpan } from './snapshot.js';
import { openSource } from './source.js';
import { instantMs, iso, type Window } from './windows.js';

/** A monitoring window whose events are complete. */
export interface DueWindow extends Window {
  /** True when its labels are complete too: `to + arrivesAfter <= watermark`. */
  readonly labelled: boolean;
}

/** What {@link dueWindows} found. */
export interface DueWindows {
  /** Newest event time of the source, ISO 8601. */
  readonly watermark: string;
  /** Oldest first. */
  readonly windows: readonly DueWindow[];
  /** True when there were more than `atMost`: ask again from the last `to`. */
  readonly more: boolean;
}

/** Input of {@link dueWindows}. */
export interface DueWindowsInput {
  readonly data: DataSpec;
  readonly watch: Pick<WatchSpec, 'everyMs'>;
  /** End of the last reported window (ISO 8601); null = none yet. */
  readonly reportedTo: string | null;
  /** Start of the very first window (ISO 8601), used when nothing was reported. */
  readonly firstFrom: string;
  /** Most windows in one answer. Default 100. */
  readonly atMost?: number;
}

/**
 * Windows that follow the last reported one and whose end the event time has reached. Windows are counted from that
 * end, never from now: a check that runs late, twice or over replayed data sees the same windows.
 *
 * @throws PortError `InvalidSpec` for times that are none, a period that is not positive, or columns that do not fit;
 *   `NotFound` for a source that is missing or empty.
 */
export async function dueWindows(
  input: DueWindowsInput,
  call?: Call,
  options: EngineOptions = {}
): Promise<DueWindows> {
  const { data, watch, atMost = 100 } = input;
  if (!(watch.everyMs > 0)) throw new PortError('InvalidSpec', `watch.every: ${watch.everyMs} ms is not a period`);
  const startMs =
    input.reportedTo === null ? instantMs(input.firstFrom, 'firstFrom') : instantMs(input.reportedTo, 'reportedTo');
  const watermarkMs = await withEngine(options, call, async (engine) => {
    const source = await openSource(engine, data.source, { text: [data.key] });
    const bound = bindColumns(source, { time: data.time, key: data.key });
    throwProblems(bound.problems);
    return (await eventSpan(engine, source, bound)).maxMs;
  });
  const due = Math.max(0, Math.floor((watermarkMs - startMs) / watch.everyMs));
  const windows = Array.from({ length: Math.min(due, atMost) }, (_, i) => {
    const toMs = startMs + (i + 1) * watch.everyMs;
    return {
      from: iso(startMs + i * watch.everyMs),
      to: iso(toMs),
      labelled: toMs + data.label.arrivesAfterMs <= watermarkMs,
    };
  });
  return { watermark: iso(watermarkMs), windows, more: due > atMost };
}
