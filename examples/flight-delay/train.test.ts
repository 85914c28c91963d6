import { appendFile, copyFile, cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram, temporaryFolder, type Finished, type ProgramRun } from './testing.js';
import { createWorld } from './world.mjs';

let root = '';
let train = '';
let unbroken: { finished: Finished; onnx: Buffer; json: string };

const parameters = { epochs: 6 };
const epochs = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith('{')).map((line) => (JSON.parse(line) as { epoch: number }).epoch);

async function trained(name: string, run: Partial<ProgramRun> = {}) {
  const folder = join(root, name);
  const finished = await runProgram({ program: 'train.js', folder, inputs: { train }, parameters, ...run });
  return { finished, folder };
}

async function result(folder: string) {
  const read = async (name: string) => readFile(join(folder, 'output', name));
  return { onnx: await read('model.onnx'), json: (await read('model.json')).toString() };
}

beforeAll(async () => {
  root = await temporaryFolder();
  train = join(root, 'train');
  const world = await createWorld({ folder: train, sampleEvery: 3 });
  await world.advanceTo(2);
  world.close();
  const { finished, folder } = await trained('unbroken');
  unbroken = { finished, ...(await result(folder)) };
});

afterAll(async () => rm(root, { recursive: true, force: true }));

describe('train.js', () => {
  it('says once that it started, reports progress, and leaves out rows without a label', () => {
    const { code, lines, stderr } = unbroken.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines[0]).toMatch(/^training process \d+ started$/);
    expect(lines.filter((line) => line.includes('training process'))).toHaveLength(1);
    expect(lines.join('\n')).toMatch(/\d+ rows have no label yet and are left out/);
    expect(epochs(lines)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(lines).toContainEqual(expect.stringMatching(/^\{"progress":1,"epoch":6,"epochs":6,"loss":0\.\d+\}$/));
  });

  it('gives the same bytes for the same rows, in whatever order and files they come', async () => {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const other = join(root, 'other-order');
    await mkdir(other, { recursive: true });
    await connection.run(
      `COPY (SELECT * FROM '${train}/*.parquet' ORDER BY hash(flightId)) TO '${join(other, 'data.parquet')}' (FORMAT parquet)`
    );
    connection.closeSync();
    instance.closeSync();
    const { finished, folder } = await trained('reordered', { inputs: { train: other } });
    expect(finished.code).toBe(0);
    expect(await result(folder)).toEqual({ onnx: unbroken.onnx, json: unbroken.json });
  });

  it.each([
    { signal: 'SIGTERM' as const, code: 143, killedBy: null },
    { signal: 'SIGKILL' as const, code: null, killedBy: 'SIGKILL' as const },
  ])('interrupted by $signal, it goes on where it was and ends with the same bytes', async (how) => {
    // Paced by an hour an epoch: only the signal ends the wait.
    const paced = { ...parameters, secondsPerEpoch: 3_600 };
    for (const epoch of [1, 2]) {
      const { finished, folder } = await trained(how.signal, {
        parameters: paced,
        onLine: (line) => (line.startsWith('{') ? how.signal : undefined),
      });
      expect(finished).toMatchObject({ code: how.code, signal: how.killedBy });
      expect(epochs(finished.lines)).toEqual([epoch]);
      expect(finished.lines.includes(`stopped after epoch ${epoch} of 6`)).toBe(how.signal === 'SIGTERM');
      expect(await readdir(join(folder, 'output'))).toEqual([]);
    }
    const { finished, folder } = await trained(how.signal);
    expect(finished.lines).toContain('resumed after epoch 2 of 6');
    expect(epochs(finished.lines)).toEqual([3, 4, 5, 6]);
    expect(await result(folder)).toEqual({ onnx: unbroken.onnx, json: unbroken.json });
  });

  it('killed anywhere while it computes, it still ends with the same bytes', async () => {
    let attempts = 0;
    for (let done = false; !done; attempts += 1) {
      expect(attempts).toBeLessThan(20);
      const { finished } = await trained('anywhere', {
        onLine: (line) => (line.startsWith('{') && attempts < 3 ? 'SIGKILL' : undefined),
      });
      done = finished.code === 0;
    }
    expect(await result(join(root, 'anywhere'))).toEqual({ onnx: unbroken.onnx, json: unbroken.json });
  });

  it('goes on from a checkpoint that was brought from elsewhere', async () => {
    const elsewhere = join(root, 'elsewhere');
    await interruptedAfterOneEpoch('first-place');
    await cp(join(root, 'first-place', 'checkpoint'), elsewhere, { recursive: true });
    const { finished, folder } = await trained('second-place', { checkpoint: elsewhere });
    expect(finished.lines).toContain('resumed after epoch 1 of 6');
    expect(await result(folder)).toEqual({ onnx: unbroken.onnx, json: unbroken.json });
  });

  it.each([
    { name: 'cut off', content: '{"v":1,"of":"', says: /cannot be read/ },
    { name: 'empty', content: '', says: /cannot be read/ },
    { name: 'foreign', content: '{"v":2}', says: /is not a checkpoint: not used/ },
  ])('starts over when the checkpoint is $name', async ({ name, content, says }) => {
    const kept = join(root, name, 'checkpoint');
    await mkdir(kept, { recursive: true });
    await writeFile(join(kept, 'checkpoint.json'), content);
    const { finished, folder } = await trained(name);
    expect(finished.lines.join('\n')).toMatch(says);
    expect(epochs(finished.lines)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await result(folder)).toEqual({ onnx: unbroken.onnx, json: unbroken.json });
  });

  it.each([
    { why: 'other parameters', with: { parameters: { ...parameters, seed: 2 } } },
    { why: 'shuffled labels', with: { parameters: { ...parameters, shuffleLabels: true } } },
  ])('never continues the checkpoint of another training: $why', async (other) => {
    const name = `another-${other.why}`;
    await interruptedAfterOneEpoch(name);
    const { finished } = await trained(name, other.with);
    expect(finished.lines.join('\n')).toMatch(/is of another training: not used/);
    expect(epochs(finished.lines)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each([
    { parameters: { rte: 0.1 }, says: /unknown parameter "rte"; known are: rate, epochs/ },
    { parameters: { rate: '0.1' }, says: /parameter rate: expected a number, got "0\.1"/ },
    { parameters: { rate: 0 }, says: /parameter rate: 0 is out of range \(above 0 up to 1\)/ },
    { parameters: { epochs: 1.5 }, says: /parameter epochs: 1\.5 is out of range \(a whole number from 1/ },
    { parameters: { strictAirports: 'yes' }, says: /parameter strictAirports: expected a boolean/ },
  ])('refuses the parameters $parameters', async ({ parameters: wrong, says }) => {
    const { finished, folder } = await trained('refused', { parameters: wrong });
    expect(finished.code).toBe(1);
    expect(finished.stderr).toMatch(says);
    expect(await readdir(join(folder, 'output'))).toEqual([]);
  });

  it('says what is wrong with its data', async () => {
    const empty = join(root, 'empty-folder');
    await mkdir(empty, { recursive: true });
    expect((await trained('no-file', { inputs: { train: empty } })).finished.stderr).toMatch(/holds no \.parquet file/);
    expect((await trained('no-input', { inputs: { test: empty } })).finished.stderr).toMatch(
      /the job has no input "train", only: test/
    );
    await copyFile(join(train, 'week-02.parquet'), join(empty, 'week-02.parquet'));
    expect((await trained('no-label', { inputs: { train: empty } })).finished.stderr).toMatch(
      /cannot learn from 0 rows of which 0 are late/
    );
    await appendFile(join(empty, 'week-02.parquet'), 'x');
    const { finished } = await trained('damaged', { inputs: { train: empty } });
    expect(finished.code).toBe(1);
    expect(finished.stderr).toMatch(/parquet/);
  });
});

async function interruptedAfterOneEpoch(name: string): Promise<void> {
  const { finished } = await trained(name, {
    parameters: { ...parameters, secondsPerEpoch: 3_600 },
    onLine: (line) => (line.startsWith('{') ? 'SIGKILL' : undefined),
  });
  expect(finished.signal).toBe('SIGKILL');
}
