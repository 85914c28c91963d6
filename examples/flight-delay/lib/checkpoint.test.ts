import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../testing.js';
import { findCheckpoint, saveCheckpoint } from './checkpoint.js';

const checkpoint = (epochs: number) => ({ v: 1 as const, of: 'this', epochs, loss: 0.5, weights: [0.1, -1 / 3] });
const silent = () => undefined;

describe('checkpoints', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(async () => rm(folder, { recursive: true }));

  it('come back exactly as they were saved', async () => {
    await saveCheckpoint(folder, checkpoint(1));
    expect(await findCheckpoint([folder], 'this', silent)).toEqual(checkpoint(1));
  });

  it('are replaced whole: the old file is never written into', async () => {
    await saveCheckpoint(folder, checkpoint(1));
    const before = await stat(join(folder, 'checkpoint.json'));
    await saveCheckpoint(folder, checkpoint(2));
    expect((await stat(join(folder, 'checkpoint.json'))).ino).not.toBe(before.ino);
    expect(await readdir(folder)).toEqual(['checkpoint.json']);
  });

  it('are taken from the folder that got furthest, and an unfinished file is ignored', async () => {
    const other = join(folder, 'other');
    await saveCheckpoint(folder, checkpoint(2));
    await saveCheckpoint(other, checkpoint(5));
    await writeFile(join(folder, '.checkpoint.json.1'), JSON.stringify(checkpoint(9)));
    expect(await findCheckpoint([folder, other, join(folder, 'missing')], 'this', silent)).toEqual(checkpoint(5));
  });

  it('of another training are refused with a reason', async () => {
    const said: string[] = [];
    await saveCheckpoint(folder, checkpoint(2));
    expect(await findCheckpoint([folder], 'that', (text) => said.push(text))).toBeNull();
    expect(said).toEqual([`the checkpoint in ${folder} is of another training: not used`]);
  });
});
