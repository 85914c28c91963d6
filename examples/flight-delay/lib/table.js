// Reads flights from Parquet files into columns.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/**
 * @typedef {object} Flights Columns of equal length, in order of `flightId`.
 * @property {string[]} flightId
 * @property {string[]} origin
 * @property {string[]} destination
 * @property {Float64Array} distance Miles.
 * @property {Int32Array} hour 0 to 23.
 * @property {Int32Array} dayOfWeek 1 (Monday) to 7.
 */

const features = ['flightId', 'origin', 'destination', 'distance', 'hour', 'dayOfWeek'];

/**
 * All rows of the Parquet files of a folder. They are put in order of `flightId`, so that the result does not depend on
 * how rows were spread over files.
 * @param {string} folder
 * @param {readonly string[]} [extra] Further columns to read.
 * @returns {Promise<Record<string, unknown>[]>}
 */
export async function readRows(folder, extra = []) {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.parquet')).sort();
  if (names.length === 0) throw new Error(`${folder} holds no .parquet file`);
  /** @type {Record<string, unknown>[]} */
  const rows = [];
  for (const name of names) {
    // One by one: spreading a large array into push would overflow the stack.
    for (const row of await readParquet(join(folder, name), [...features, ...extra])) rows.push(row);
  }
  return rows.sort((a, b) => (String(a['flightId']) < String(b['flightId']) ? -1 : 1));
}

/**
 * The named columns of one Parquet file, as objects.
 * @param {string} path
 * @param {readonly string[]} columns
 * @returns {Promise<Record<string, unknown>[]>}
 */
async function readParquet(path, columns) {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const present = new Set(parquetSchema(metadata).children.map((child) => child.element.name));
  const missing = columns.filter((column) => !present.has(column));
  if (missing.length > 0) throw new Error(`${path} lacks the columns ${missing.join(', ')}`);
  return parquetReadObjects({ file, metadata, columns: [...columns], compressors });
}

/**
 * Columns of rows. A missing value is an error: the model has no use for a row that lacks one.
 * @param {readonly Record<string, unknown>[]} rows
 * @returns {Flights}
 */
export function toFlights(rows) {
  return {
    flightId: rows.map((row) => text(row, 'flightId')),
    origin: rows.map((row) => text(row, 'origin')),
    destination: rows.map((row) => text(row, 'destination')),
    distance: Float64Array.from(rows, (row) => number(row, 'distance')),
    hour: Int32Array.from(rows, (row) => number(row, 'hour')),
    dayOfWeek: Int32Array.from(rows, (row) => number(row, 'dayOfWeek')),
  };
}

/**
 * The labels of rows that have one, 0 or 1, and those rows.
 * @param {readonly Record<string, unknown>[]} rows
 * @param {string} column
 * @returns {{ rows: Record<string, unknown>[], labels: Uint8Array }}
 */
export function labelled(rows, column) {
  const withLabel = rows.filter((row) => row[column] !== null && row[column] !== undefined);
  return { rows: withLabel, labels: Uint8Array.from(withLabel, (row) => label(row, column)) };
}

/**
 * @param {Record<string, unknown>} row
 * @param {string} column
 */
function text(row, column) {
  const value = row[column];
  if (typeof value !== 'string') throw bad(row, column, 'expected a text');
  return value;
}

/**
 * @param {Record<string, unknown>} row
 * @param {string} column
 */
function number(row, column) {
  const value = row[column];
  // Whole numbers arrive as BigInt when whoever wrote the file chose 64 bits.
  const result = typeof value === 'bigint' ? Number(value) : value;
  if (typeof result !== 'number' || !Number.isFinite(result)) {
    throw bad(row, column, 'expected a number');
  }
  return result;
}

/**
 * @param {Record<string, unknown>} row
 * @param {string} column
 */
function label(row, column) {
  const value = Number(row[column]);
  if (value !== 0 && value !== 1) {
    throw bad(row, column, 'expected 0 or 1');
  }
  return value;
}

/**
 * @param {Record<string, unknown>} row
 * @param {string} column
 * @param {string} expected
 */
function bad(row, column, expected) {
  return new Error(`row ${String(row['flightId'])}: ${column} is ${String(row[column])}, ${expected}`);
}
