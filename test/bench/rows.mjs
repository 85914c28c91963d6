// What a benchmark says: rows with the mark that each is to reach.

/**
 * @typedef {object} Row
 * @property {string} what
 * @property {number} value
 * @property {string} unit
 * @property {number | null} mark Largest good value; null where there is nothing to reach.
 * @property {'held' | 'shown'} kind What is held has to hold in every run, a run that breaks it fails: counts and growth.
 *     Ratios of times, and memory, vary with what else the machine does: they are shown beside their marks.
 */

/** Prints rows, and hands them to the program that has started this one, if one has. @param {readonly Row[]} rows */
export function report(rows) {
  const width = Math.max(...rows.map(({ what }) => what.length));
  for (const { what, value, unit, mark } of rows) {
    const wanted = mark === null ? '' : `  mark <= ${mark}${value <= mark ? '' : '  NOT REACHED'}`;
    console.log(`  ${what.padEnd(width)}  ${value.toFixed(2).padStart(8)} ${unit}${wanted}`);
  }
  process.send?.({ rows });
}

/**
 * @param {Row['kind']} kind
 * @returns {(what: string, value: number, unit: string, mark: number | null) => Row}
 */
const rowOf = (kind) => (what, value, unit, mark) => ({ what, value, unit, mark, kind });

export const held = rowOf('held');
export const shown = rowOf('shown');

/**
 * Ends this program because what it needs is not there: a failure where `RETEMPO_REQUIRE_PEERS=1` asks for that.
 * @param {string} why
 */
export function skip(why) {
  if (process.env['RETEMPO_REQUIRE_PEERS'] === '1') {
    console.error(why);
    process.exit(1);
  }
  console.log(`  skipped: ${why}`);
  if (process.send === undefined) process.exit(0);
  process.send({ skipped: why }, () => process.exit(0));
}

/** Smallest of several measurements, which is the one that was disturbed least. @param {readonly number[]} values */
export const least = (values) => Math.min(...values);
