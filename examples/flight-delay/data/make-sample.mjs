// Makes flights-2001.parquet from the flights-3m.parquet of the npm package vega-datasets 3.2.1 (see PROVENANCE.md):
//
//   npm pack vega-datasets@3.2.1 && tar xzf vega-datasets-3.2.1.tgz
//   node data/make-sample.mjs package/data/flights-3m.parquet data/flights-2001.parquet
//
// Equal input gives equal bytes: rows are put into one total order, every 15th is taken, and one thread writes.
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';

/** SHA-256 of the flights-3m.parquet that the sample is made from. */
const sourceSha256 = 'dbeb920c90f59b6ccaff823dcc3d08f25a97fa1ce128d93f40be4e931f5900b0';

/** One row of this many is taken. */
const oneIn = 15;

/**
 * SHA-256 of a file as lower-case hex.
 * @param {string} path
 * @returns {Promise<string>}
 */
export async function sha256Of(path) {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/**
 * Writes the sample. Refuses a source with another digest.
 * @param {string} source Path of flights-3m.parquet.
 * @param {string} target Path of the file to write; overwritten.
 * @returns {Promise<string>} SHA-256 of the written file.
 */
export async function makeSample(source, target) {
  const digest = await sha256Of(source);
  if (digest !== sourceSha256) {
    throw new Error(`${source} has SHA-256 ${digest}, expected ${sourceSha256}: take it from vega-datasets 3.2.1`);
  }
  await rm(target, { force: true });
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run(`
      COPY (
        WITH numbered AS (
          SELECT *, row_number() OVER (ORDER BY date, origin, destination, distance, delay) - 1 AS position
          FROM read_parquet(${quoted(source)})
          WHERE date < TIMESTAMP '2001-07-01'
        )
        SELECT
          format('F{:07d}', position) AS flightId,
          date AS departedAt,
          origin,
          destination,
          distance::INTEGER AS distance,
          hour(date)::INTEGER AS hour,
          isodow(date)::INTEGER AS dayOfWeek,
          (delay > 15)::INTEGER AS late
        FROM numbered
        WHERE position % ${oneIn} = 0
        ORDER BY position
      ) TO ${quoted(target)}
      (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 19, ROW_GROUP_SIZE 40000)`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return sha256Of(target);
}

const [, script, source, target] = process.argv;
if (script !== undefined && import.meta.url === pathToFileURL(script).href) {
  if (source === undefined || target === undefined) {
    throw new Error('usage: node data/make-sample.mjs <flights-3m.parquet> <file to write>');
  }
  process.stdout.write(`${await makeSample(source, target)}  ${target}\n`);
}
