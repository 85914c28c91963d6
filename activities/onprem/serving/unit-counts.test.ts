import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mostUnits, openUnitCounts, unitHash, type UnitCounts } from './unit-counts.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-units-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from }, (_, i) => `user-${from + i}`);
const serve = (units: UnitCounts, revision: number, version: string, who: readonly string[]): void => {
  for (const one of who) units.add(revision, version, one);
};
const versions = ['v1', 'v2'];
/** How often this process holds a file open. */
const timesOpen = (path: string): number =>
  readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === path;
    } catch {
      // The descriptor with which the folder was read.
      return false;
    }
  }).length;

describe('units', () => {
  it('are counted once, however often they come, per revision and version', () => {
    const units = openUnitCounts(folder);
    for (let round = 0; round < 3; round++) {
      serve(units, 1, 'v1', names(0, 75));
      serve(units, 1, 'v2', names(75, 100));
    }
    serve(units, 2, 'v2', names(0, 7));
    expect(units.read(versions, [1])).toEqual({ units: { v1: 75, v2: 25 }, mixed: 0 });
    expect(units.read(versions, [2])).toEqual({ units: { v1: 0, v2: 7 }, mixed: 0 });
    expect(units.read(['v2'], [3])).toEqual({ units: { v2: 0 }, mixed: 0 });
  });

  it('of several revisions are counted once over all of them; those that both versions served are told', () => {
    const units = openUnitCounts(folder);
    serve(units, 1, 'v1', names(0, 60));
    serve(units, 2, 'v1', names(40, 80));
    serve(units, 1, 'v2', names(100, 110));
    serve(units, 2, 'v2', names(77, 105));
    expect(units.read(versions, [1, 2])).toEqual({ units: { v1: 80, v2: 33 }, mixed: 3 });
  });

  it('are told apart, also by their last letter, and in any script', () => {
    const hashes = new Set<number>();
    for (let i = 0; i < 200_000; i++) hashes.add(unitHash(`user-${i}`));
    for (const text of ['', ' ', 'ab', 'ba', 'ä', 'a\u0308', '用户', '户用', '\u{1f600}', '\u{1f601}', 'user-1 '])
      hashes.add(unitHash(text));
    expect(hashes.size).toBe(200_011);
    for (const hash of hashes) expect(Number.isSafeInteger(hash) && hash >= 0).toBe(true);
  });

  it('are the first ones of a revision: beyond the limit none are taken, and the next revision begins anew', () => {
    const units = openUnitCounts(folder);
    serve(units, 1, 'v1', names(0, mostUnits - 10));
    serve(units, 1, 'v2', names(mostUnits, mostUnits + 50));
    serve(units, 1, 'v1', names(0, 5));
    expect(units.read(versions, [1]).units).toEqual({ v1: mostUnits - 10, v2: 10 });
    serve(units, 2, 'v2', names(0, 3));
    expect(units.read(versions, [2]).units).toEqual({ v1: 0, v2: 3 });
  });
});

describe('units on disk', () => {
  it('are there after a restart, and are not counted again', async () => {
    const before = openUnitCounts(folder);
    serve(before, 1, 'v1', names(0, 50));
    await before.flush();
    serve(before, 1, 'v1', names(50, 60));
    await Promise.all([before.flush(), before.flush()]);
    expect(statSync(join(folder, 'r1-v1')).size).toBe(60 * 8);
    const after = openUnitCounts(folder);
    expect(after.read(versions, [1]).units).toEqual({ v1: 60, v2: 0 });
    serve(after, 1, 'v1', names(0, 61));
    await after.flush();
    expect(openUnitCounts(folder).read(versions, [1]).units).toEqual({ v1: 61, v2: 0 });
  });

  it('that were not written whole are left out, and written over', async () => {
    const path = join(folder, 'r1-v1');
    const before = openUnitCounts(folder);
    serve(before, 1, 'v1', names(0, 10));
    await before.flush();
    truncateSync(path, 9 * 8 + 3);
    const after = openUnitCounts(folder);
    expect(after.read(['v1'], [1]).units).toEqual({ v1: 9 });
    serve(after, 1, 'v1', names(0, 12));
    await after.flush();
    expect(statSync(path).size).toBe(12 * 8);
    expect(openUnitCounts(folder).read(['v1'], [1]).units).toEqual({ v1: 12 });
    // What another write left behind is no unit either.
    appendFileSync(path, 'abc');
    expect(openUnitCounts(folder).read(['v1'], [1]).units).toEqual({ v1: 12 });
  });

  it('that cannot be read are unknown, never few; serving and the other revisions go on', async () => {
    mkdirSync(join(folder, 'r1-v1'));
    const units = openUnitCounts(folder);
    serve(units, 1, 'v1', names(0, 10));
    serve(units, 2, 'v1', names(0, 10));
    await units.flush();
    expect(units.read(['v1'], [1])).toEqual({ units: null, mixed: 0 });
    expect(units.read(['v1'], [1, 2]).units).toBeNull();
    expect(units.read(['v1'], [2]).units).toEqual({ v1: 10 });
  });

  it('that could not be written are tried again', async () => {
    const units = openUnitCounts(folder);
    rmSync(folder, { recursive: true });
    serve(units, 1, 'v1', names(0, 10));
    await expect(units.flush()).rejects.toThrow('ENOENT');
    mkdirSync(folder);
    await units.flush();
    expect(openUnitCounts(folder).read(['v1'], [1]).units).toEqual({ v1: 10 });
  });

  it('that come while others are written are written with the next ones', async () => {
    const units = openUnitCounts(folder);
    serve(units, 1, 'v1', names(0, 10));
    const writing = units.flush();
    serve(units, 1, 'v1', names(10, 13));
    await writing;
    await units.flush();
    expect(statSync(join(folder, 'r1-v1')).size).toBe(13 * 8);
    expect(openUnitCounts(folder).read(['v1'], [1]).units).toEqual({ v1: 13 });
  });

  it('leave no file open, neither when they are written nor when the disk is full', async () => {
    const units = openUnitCounts(folder);
    const path = join(folder, 'r1-v1');
    serve(units, 1, 'v1', names(0, 10));
    symlinkSync('/dev/full', path);
    await expect(units.flush()).rejects.toThrow('ENOSPC');
    expect(timesOpen('/dev/full')).toBe(0);
    rmSync(path);
    await units.flush();
    expect(timesOpen(path)).toBe(0);
    expect(openUnitCounts(folder).read(['v1'], [1]).units).toEqual({ v1: 10 });
  });

  it('are not there for what was only asked for', async () => {
    const units = openUnitCounts(folder);
    expect(units.read(versions, [1, 2]).units).toEqual({ v1: 0, v2: 0 });
    await units.flush();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leave the disk when their revision is old, never before, and nothing else does', async () => {
    writeFileSync(join(folder, 'notes'), 'of somebody else');
    const units = openUnitCounts(folder);
    for (let revision = 1; revision <= 70; revision++) {
      serve(units, revision, 'v1', names(0, revision));
      await units.flush();
    }
    expect(units.read(['v1'], [21]).units).toEqual({ v1: 21 });
    const left = readdirSync(folder).toSorted();
    expect(left).toEqual(['notes', ...Array.from({ length: 64 }, (_, i) => `r${i + 7}-v1`)].toSorted());
    // A request that was on its way all the while.
    serve(units, 60, 'v1', ['late']);
    await units.flush();
    expect(openUnitCounts(folder).read(['v1'], [60]).units).toEqual({ v1: 61 });
  });
});
