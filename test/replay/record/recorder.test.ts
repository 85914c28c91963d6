import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storedHistories } from '../histories.js';
import { createRecorder } from './recorder.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-recorder-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A server whose runs have the histories that are stored in the repository: the workflow id is the name of the file. */
const client = {
  workflow: {
    getHandle: (name: string) => ({
      fetchHistory: () => {
        const stored = storedHistories().find((history) => history.name === name);
        return Promise.resolve(historyFromJSON(JSON.parse(stored?.text ?? '') as Record<string, unknown>));
      },
    }),
  },
} as unknown as Client;

describe('14: a history that is stored', () => {
  const [one, other] = storedHistories().map(({ name }) => name);
  if (one === undefined || other === undefined) throw new Error('there are no histories');
  const stored = (name: string) => readFile(join(folder, `${name}.json`), 'utf8');

  it('stays as it is, whatever is recorded under its name', async () => {
    const recorder = createRecorder(client, '/srv/project', join(folder, 'made'));
    await recorder.keep('made', one);
    const before = await readFile(join(folder, 'made', 'made.json'), 'utf8');
    expect(before).toContain('"eventId"');
    await recorder.keep('made', other);
    await createRecorder(client, '/srv/project', join(folder, 'made')).keep('made', other);
    expect(await readFile(join(folder, 'made', 'made.json'), 'utf8')).toBe(before);
  });

  it('stays also when it is not what a recorder would have written', async () => {
    await writeFile(join(folder, 'by-hand.json'), '{}');
    const recorder = createRecorder(client, '/srv/project', folder);
    await Promise.all([recorder.keep('by-hand', one), recorder.keep('new', one), recorder.keep('new', other)]);
    expect(await stored('by-hand')).toBe('{}');
    expect((await readdir(folder)).toSorted()).toEqual(['by-hand.json', 'new.json']);
    expect([...recorder.kept.keys()].toSorted()).toEqual(['by-hand', 'new']);
  });

  it('is not said to be stored when it could not be written', async () => {
    const recorder = createRecorder(client, '/srv/project', folder);
    await expect(recorder.keep('no folder/of this name', one)).rejects.toThrow('ENOENT');
    expect([...recorder.kept.keys()]).toEqual([]);
  });
});
