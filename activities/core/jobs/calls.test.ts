import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { portCalls } from './calls.js';

/** Runs `work` as an activity and returns the details of its heartbeats; `seen(n)` resolves at the n-th of them. */
async function beatsOf(
  heartbeatTimeoutMs: number | undefined,
  work: (calls: ReturnType<typeof portCalls>, seen: (count: number) => Promise<void>) => Promise<unknown>
): Promise<readonly unknown[]> {
  const environment = new MockActivityEnvironment(heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs });
  const beats: unknown[] = [];
  const seen = (count: number): Promise<void> =>
    new Promise((resolve) => {
      environment.on('heartbeat', () => beats.length >= count && resolve());
    });
  environment.on('heartbeat', (details: unknown) => beats.push(details));
  await environment.run(() => work(portCalls(30_000), seen));
  return beats;
}

describe('calls of a port', () => {
  it.each(['read', 'change', 'transfer'] as const)(
    'J2: a long %s heartbeats, so that a dead worker is noticed after one heartbeat time-out',
    async (kind) => {
      // The call itself ends only when a heartbeat was seen: without one this test never ends.
      const beats = await beatsOf(300, (calls, seen) => calls[kind]('long', () => seen(1)));
      expect(beats).toEqual([undefined]);
    }
  );

  it('repeats the last details, so that the next attempt goes on from them', async () => {
    const beats = await beatsOf(300, async (calls, seen) => {
      calls.beat({ seen: 1 });
      await calls.read('long', () => seen(3));
    });
    expect(beats).toEqual([{ seen: 1 }, { seen: 1 }, { seen: 1 }]);
  });

  it.each([300_000, undefined])('quick calls cost no heartbeat (time-out %s ms)', async (timeoutMs) => {
    const beats = await beatsOf(timeoutMs, (calls) => calls.change('quick', () => Promise.resolve()));
    expect(beats).toEqual([]);
  });
});
