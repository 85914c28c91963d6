import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readRows } from '../lib/table.js';
import { temporaryFolder } from '../testing.js';
import { makeSample, sha256Of } from './make-sample.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const sample = join(folder, 'flights-2001.parquet');
/** Path of the flights-3m.parquet of vega-datasets 3.2.1; without it the sample cannot be made again here. */
const source = process.env['FLIGHTS_3M'] ?? '';

describe('flights-2001.parquet', () => {
  it('is the file that PROVENANCE.md describes', async () => {
    const provenance = await readFile(join(folder, 'PROVENANCE.md'), 'utf8');
    expect(provenance).toContain(await sha256Of(sample));
  });

  it('holds 200 000 flights with unique ids, in order of departure', async () => {
    const rows = await readRows(folder, ['departedAt', 'late']);
    expect(rows).toHaveLength(200_000);
    expect(new Set(rows.map((row) => row['flightId'])).size).toBe(200_000);
    const times = rows.map((row) => row['departedAt'] as Date);
    expect(times.every((time, index) => index === 0 || time >= (times[index - 1] ?? time))).toBe(true);
    for (const [index, row] of rows.entries()) {
      expect(row['hour']).toBe(times[index]?.getUTCHours());
      expect(row['dayOfWeek']).toBe(times[index]?.getUTCDay() || 7);
    }
    const late = rows.reduce((sum, row) => sum + Number(row['late']), 0);
    expect(late / rows.length).toBeCloseTo(0.2, 2);
  });

  it.skipIf(!existsSync(source))('comes out the same when it is made again (needs FLIGHTS_3M)', async () => {
    const again = join(await temporaryFolder(), 'again.parquet');
    expect(await makeSample(source, again)).toBe(await sha256Of(sample));
    await rm(join(again, '..'), { recursive: true });
  });

  it('is not made from another file', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'other.parquet'), 'other');
    await expect(makeSample(join(folder, 'other.parquet'), join(folder, 'out.parquet'))).rejects.toThrow(
      /has SHA-256 .*: take it from vega-datasets 3\.2\.1/
    );
    await rm(folder, { recursive: true });
  });
});
