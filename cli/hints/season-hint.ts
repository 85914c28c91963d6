import { countWindows, describeSource, earlierSlots } from '@retempo/activities';
import type { Call } from '@retempo/activities/ports';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { isQuicklyRead } from './data-hint.js';

/**
 * Since when there would have to be data for the first window to be compared with its own slot of an earlier season; null
 * when there are, when nobody asked for it, when the data cannot be read (which `dataHint` says) or are too large for a hint.
 */
export async function seasonHint(
  { data, watch }: Pick<ModelSpec, 'data' | 'watch'>,
  call: Call
): Promise<string | null> {
  if (!watch.compare.includes('sameSlot') || !isQuicklyRead(data.source)) return null;
  try {
    const { evaluate } = await countWindows({ data, sliceBy: [] }, call);
    const { firstEvent } = await describeSource({ source: data.source, time: data.time }, call);
    const to = new Date(Date.parse(evaluate.to) + watch.everyMs).toISOString();
    const [nearest] = earlierSlots({ from: evaluate.to, to }, evaluate.to);
    if (firstEvent === null || Date.parse(firstEvent) <= Date.parse(nearest!.from)) return null;
    return (
      `watch.compare: sameSlot needs data from ${nearest!.from.slice(0, 10)} on, those here begin at ${firstEvent.slice(0, 10)}: ` +
      'windows without an earlier slot are compared with the training data alone'
    );
  } catch {
    return null;
  }
}
