import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { checkCall, createBufferPool, forEachLimited } from './calls.js';

it('a call is over when it was cancelled or its time is up', () => {
  const { signal } = new AbortController();
  const later = Date.now() + 60_000;
  checkCall({ signal, deadlineMs: later }, 'work');
  const outcome = (call: Parameters<typeof checkCall>[0]) => {
    try {
      checkCall(call, 'work');
    } catch (error) {
      return (error as { readonly class?: string }).class;
    }
    return null;
  };
  expect(outcome({ signal: AbortSignal.abort(), deadlineMs: later })).toBe('Cancelled');
  expect(outcome({ signal, deadlineMs: Date.now() })).toBe('DeadlineExceeded');
});

describe('work on many items', () => {
  it('is done for each, so many at once', async () => {
    let inside = 0;
    let most = 0;
    const done = new Set<number>();
    await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      most = Math.max(most, (inside += 1));
      await turn();
      inside -= 1;
      done.add(item);
    });
    expect([most, done]).toEqual([3, new Set([1, 2, 3, 4, 5, 6, 7])]);
  });

  it('that fails begins no more, and is told when nothing is going on any more', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const work = forEachLimited([1, 2, 3, 4], 2, async (item) => {
      begun.push(item);
      for (let turns = 0; turns < item; turns++) await turn();
      if (item === 1) throw new Error('first');
      for (let turns = 0; turns < 10; turns++) await turn();
      ended.push(item);
      throw new Error('second');
    });
    await expect(work).rejects.toThrow('first');
    expect([begun, ended]).toEqual([[1, 2], [2]]);
  });
});

it('a pool lends so many buffers, each again when it was given back, in the order they were asked for', async () => {
  const pool = createBufferPool(2, 8);
  const [a, b] = [await pool.take(), await pool.take()];
  const got: [string, Uint8Array][] = [];
  const waiting = ['first', 'second'].map((name) => pool.take().then((buffer) => got.push([name, buffer])));
  await turn();
  expect([a.length, b.length, a === b, got]).toEqual([8, 8, false, []]);
  pool.give(b);
  pool.give(a);
  await Promise.all(waiting);
  expect(got.map(([name, buffer]) => [name, buffer === b])).toEqual([
    ['first', true],
    ['second', false],
  ]);
  pool.give(a);
  expect(await pool.take()).toBe(a);
});
