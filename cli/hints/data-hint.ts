import { statSync } from 'node:fs';
import { countWindows, isPortError } from '@retempo/activities';
import type { Call } from '@retempo/activities/ports';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { messageOf } from '../failure.js';
import { count } from '../text/quantities.js';

/** A source of one file above this size is not read for a hint: 256 MiB. */
const mostBytes = 2 ** 28;

/** Whether a source is small enough to be read for a hint. */
export const isQuicklyRead = (source: string): boolean =>
  (statSync(source, { throwIfNoEntry: false })?.size ?? 0) <= mostBytes;

/**
 * What the first run would find in the data: that it would end as it begins, or that its gate could not decide for want of
 * rows. Null when there is nothing to say, or the data are too large to be read for a hint. Throws nothing.
 */
export async function dataHint(spec: Pick<ModelSpec, 'data' | 'gate'>, call: Call): Promise<string | null> {
  const { data, gate } = spec;
  if (!isQuicklyRead(data.source)) return null;
  try {
    const { evaluate } = await countWindows({ data, sliceBy: gate.slices?.by ?? [] }, call);
    if (evaluate.rows >= gate.minRows) return null;
    return (
      `gate: the newest window to evaluate on, ${evaluate.from.slice(0, 10)} to ${evaluate.to.slice(0, 10)}, has ` +
      `${count(evaluate.rows)} labelled rows and gate.minRows is ${count(gate.minRows)}: every run would end with ` +
      `noData and the model on hold; evaluate on more with data.split.evaluate, or lower gate.minRows`
    );
  } catch (error) {
    const ends = isPortError(error) && (error.class === 'NotFound' || error.class === 'InvalidSpec');
    if (ends) return `a run would end as it begins: ${error.message}`;
    // No reason to hold a plan up, but to say so.
    const why = messageOf(error).split('\n')[0] ?? '';
    return `the data could not be looked at (${why}); see that data.source names Parquet or CSV files that can be read here`;
  }
}
