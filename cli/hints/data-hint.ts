import { statSync } from 'node:fs';
import { countWindows, isPortError } from '@retempo/activities';
import type { Call } from '@retempo/activities/ports';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { count } from '../text/quantities.js';

/** A source of one file above this size is not read for a hint: 256 MiB. */
const mostBytes = 2 ** 28;

/**
 * What the first run would find in the data: that it would end as it begins, or that its gate could not decide for want of
 * rows. Null when there is nothing to say, or the data are too large to be read for a hint.
 */
export async function dataHint(spec: Pick<ModelSpec, 'data' | 'gate'>, call: Call): Promise<string | null> {
  const { data, gate } = spec;
  if ((statSync(data.source, { throwIfNoEntry: false })?.size ?? 0) > mostBytes) return null;
  try {
    const { evaluate } = await countWindows({ data, sliceBy: gate.slices?.by ?? [] }, call);
    if (evaluate.rows >= gate.minRows) return null;
    return (
      `gate: the newest window to evaluate on, ${evaluate.from.slice(0, 10)} to ${evaluate.to.slice(0, 10)}, has ` +
      `${count(evaluate.rows)} labelled rows and gate.minRows is ${count(gate.minRows)}: every run would end with ` +
      `noData and the model on hold; evaluate on more with data.split.evaluate, or lower gate.minRows`
    );
  } catch (error) {
    if (!isPortError(error) || (error.class !== 'NotFound' && error.class !== 'InvalidSpec')) throw error;
    return `a run would end as it begins: ${error.message}`;
  }
}
