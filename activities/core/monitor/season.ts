import type { VersionRecord, ModelSpec } from '@retempo/workflows/contracts';
import { profileOf, type Profile, type Window } from '../data/index.js';
import type { Call } from '../ports/index.js';

const weekMs = 7 * 86_400_000;
/** A whole number of weeks, so that weekdays stay where they are. */
const yearMs = 52 * weekMs;

/** Ten slots have ten times the rows of the window: with fewer, small drifts may be missed and the report says so. */
const slotCount = 10;

/**
 * The same slot of earlier seasons, newest first: the same hours of the same weekdays in earlier weeks for windows shorter
 * than a week, the same weeks of earlier years (52 weeks each) for longer ones. All of them end at or before `before`: a
 * drift that lasts must not become its own reference, one season later.
 */
export function earlierSlots(window: Window, before: string): readonly Window[] {
  const [fromMs, toMs] = [Date.parse(window.from), Date.parse(window.to)];
  const seasonMs = toMs - fromMs < weekMs ? weekMs : yearMs;
  const nearest = Math.max(1, Math.ceil((toMs - Date.parse(before)) / seasonMs));
  const back = (seasons: number): Window => ({
    from: new Date(fromMs - seasons * seasonMs).toISOString(),
    to: new Date(toMs - seasons * seasonMs).toISOString(),
  });
  return Array.from({ length: slotCount }, (_, i) => back(nearest + i));
}

/**
 * Profile of the same slot as the champion has known it, with the bins of the training profile, from one scan of the data.
 * It may have no rows: the data may not reach back that far.
 */
export function seasonProfile({ spec, champion, window, reference }: SeasonInput, call: Call): Promise<Profile> {
  const windows = earlierSlots(window, champion.data.evaluateWindow.to);
  return profileOf({ data: spec.data, windows, reference }, call);
}

interface SeasonInput {
  readonly spec: ModelSpec;
  readonly champion: VersionRecord;
  readonly window: Window;
  readonly reference: Profile;
}
