// Lets the first half of 2001 happen again, week by week: for demonstrations and tests. Flights appear as Parquet files in
// a folder, their labels one week later; the same flights can be asked for as prediction requests.
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { firstWeekMs, weekMs } from './lib/weeks.js';

/** The last week of the data. It ends with June, a day early. */
const lastWeek = 25;

const sample = fileURLToPath(new URL('data/flights-2001.parquet', import.meta.url));

/**
 * @typedef {object} Request
 * @property {string} id The flight's id.
 * @property {{ id: string, inputs: { name: string, shape: number[], datatype: string, data: (string | number)[] }[] }} body
 *   Body of an Open Inference Protocol v2 `infer` call; the answer's output is `probability`.
 * @property {boolean} late What really happened.
 * @property {Date} departedAt
 *
 * @typedef {object} World
 * @property {(week: number) => Promise<{ rows: number, labelled: number }>} advanceTo Makes the folder look as it does at
 *   the end of `week`: one file per week up to it, `late` null for `week` itself and known for the ones before. Files
 *   that change are replaced whole, so a reader sees the old or the new one. Returns what is now there.
 * @property {(week: number, options?: { limit?: number }) => AsyncGenerator<Request>} requestsOf The flights of a week in
 *   the order of departure; with `limit`, at most so many, evenly spread over the week.
 * @property {(week: number) => Date} endOf The instant at which a week ends (UTC).
 * @property {() => void} close Frees the database in memory.
 */

/**
 * Creates a world in which nothing has happened yet: removes the week files of an earlier one from the folder.
 * @param {{ folder: string, sampleEvery?: number, peekMinutes?: number }} options `folder` is created if needed.
 *   `sampleEvery` keeps one flight of so many (default 1: all of the sample). `peekMinutes` shows the first minutes of the
 *   next week too (default 0): a week is known to be over when something later has happened.
 * @returns {Promise<World>}
 */
export async function createWorld({ folder, sampleEvery = 1, peekMinutes = 0 }) {
  if (!Number.isInteger(sampleEvery) || sampleEvery < 1) {
    throw new Error(`sampleEvery: expected a whole number from 1, got ${sampleEvery}`);
  }
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) if (weekFile.test(name)) await rm(join(folder, name));

  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await connection.run(`
    CREATE TABLE flights AS
    SELECT * EXCLUDE (position), datediff('day', TIMESTAMP '2001-01-01', departedAt) // 7 AS week
    FROM (SELECT *, row_number() OVER (ORDER BY flightId) - 1 AS position FROM read_parquet(${quoted(sample)}))
    WHERE position % ${sampleEvery} = 0`);
  /** Week to whether its file holds labels. @type {Map<number, boolean>} */
  const written = new Map();

  return {
    async advanceTo(week) {
      checkWeek(week);
      for (const past of [...written.keys()].filter((other) => other > week)) {
        await rm(join(folder, nameOf(past)));
        written.delete(past);
      }
      for (let past = 0; past <= week; past += 1) {
        if (written.get(past) === past < week) continue;
        await writeWeek(past, past < week);
        written.set(past, past < week);
      }
      if (peekMinutes > 0 && week < lastWeek) await writeWeek(week + 1, false, peekMinutes);
      const counts = await connection.runAndReadAll(
        `SELECT count(*)::INTEGER, (count(*) FILTER (week < ${week}))::INTEGER FROM flights WHERE week <= ${week}`
      );
      const [rows, labelled] = counts.getRows()[0] ?? [];
      return { rows: Number(rows), labelled: Number(labelled) };
    },

    async *requestsOf(week, { limit = Infinity } = {}) {
      checkWeek(week);
      const result = await connection.runAndReadAll(`
        SELECT flightId, origin, destination, hour, dayOfWeek, distance, late = 1 AS late, epoch_ms(departedAt)::DOUBLE AS atMs
        FROM flights WHERE week = ${week} ORDER BY flightId`);
      const rows = result.getRowObjectsJS();
      const count = Math.min(limit, rows.length);
      for (let index = 0; index < count; index += 1) {
        const row = rows[Math.floor((index * rows.length) / count)];
        if (row !== undefined) yield toRequest(row);
      }
    },

    endOf: (week) => new Date(firstWeekMs + (week + 1) * weekMs),

    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };

  /**
   * @param {number} week
   * @param {boolean} withLabels
   * @param {number} [minutes] Only the first minutes of the week.
   */
  async function writeWeek(week, withLabels, minutes) {
    const path = join(folder, nameOf(week));
    // A name that no `*.parquet` matches, until the file is whole.
    const unfinished = `${path}.${process.pid}.unfinished`;
    const end = new Date(firstWeekMs + week * weekMs + (minutes ?? 0) * 60_000).toISOString().slice(0, 19);
    const until = minutes === undefined ? '' : `AND departedAt < TIMESTAMP '${end}'`;
    await connection.run(`
      COPY (
        SELECT * EXCLUDE (week) REPLACE ((CASE WHEN ${withLabels} THEN late END)::INTEGER AS late)
        FROM flights WHERE week = ${week} ${until} ORDER BY flightId
      ) TO ${quoted(unfinished)} (FORMAT parquet, COMPRESSION zstd)`);
    await rename(unfinished, path);
  }
}

const weekFile = /^week-\d\d\.parquet/;

/** @param {number} week */
const nameOf = (week) => `week-${String(week).padStart(2, '0')}.parquet`;

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/** @param {number} week */
function checkWeek(week) {
  if (!Number.isInteger(week) || week < 0 || week > lastWeek) {
    throw new Error(`week: expected a whole number from 0 to ${lastWeek}, got ${week}`);
  }
}

/**
 * @param {Record<string, unknown>} row
 * @returns {Request}
 */
function toRequest(row) {
  const id = String(row['flightId']);
  const input = (/** @type {string} */ name, /** @type {string} */ datatype, /** @type {string | number} */ value) => ({
    name,
    shape: [1, 1],
    datatype,
    data: [value],
  });
  return {
    id,
    body: {
      id,
      inputs: [
        input('origin', 'BYTES', String(row['origin'])),
        input('destination', 'BYTES', String(row['destination'])),
        input('hour', 'INT64', Number(row['hour'])),
        input('dayOfWeek', 'INT64', Number(row['dayOfWeek'])),
        input('distance', 'FP32', Number(row['distance'])),
      ],
    },
    late: row['late'] === true,
    departedAt: new Date(Number(row['atMs'])),
  };
}
