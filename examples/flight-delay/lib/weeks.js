// Weeks of the flights, counted from 1 January 2001 (a Monday): week 0 is 1 to 7 January.

/** Milliseconds of one week. */
export const weekMs = 7 * 24 * 3_600_000;

/** Start of week 0, UTC, in milliseconds. */
export const firstWeekMs = Date.UTC(2001, 0, 1);

/**
 * The week that an instant lies in.
 * @param {Date} at
 * @returns {number}
 */
function weekOf(at) {
  return Math.floor((at.getTime() - firstWeekMs) / weekMs);
}

/**
 * Rows with a `departedAt`, by week.
 * @template {Record<string, unknown>} Row
 * @param {readonly Row[]} rows
 * @returns {Row[][]}
 */
export function byWeek(rows) {
  /** @type {Row[][]} */
  const weeks = [];
  for (const row of rows) {
    const week = weekOf(/** @type {Date} */ (row['departedAt']));
    (weeks[week] ??= []).push(row);
  }
  return weeks;
}
