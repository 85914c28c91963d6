const second = 1_000;
const minute = 60 * second;

/**
 * A time as people read it, in UTC: `2026-11-21 12:24 UTC`, and to the second when it lies within five minutes of `now`. What
 * is still to come is rounded up, so that nobody who comes at that time comes too early; what is past is rounded down.
 *
 * @param at epoch milliseconds
 * @param now epoch milliseconds
 */
export function timeText(at: number, now: number): string {
  const near = Math.abs(at - now) <= 5 * minute;
  const unit = near ? second : minute;
  const shown = new Date((at > now ? Math.ceil(at / unit) : Math.floor(at / unit)) * unit).toISOString();
  return `${shown.slice(0, 10)} ${shown.slice(11, near ? 19 : 16)} UTC`;
}
