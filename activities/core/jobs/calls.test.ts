import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { PortError, type Call } from '../ports/index.js';
import { pause, portCalls } from './calls.js';
import { environment, inActivity } from './cloud.test.util.js';

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

  it.each([0, undefined])('an activity without a heartbeat time-out (%s) has none', async (timeoutMs) => {
    // Longer than the shortest time between two heartbeats.
    const beats = await beatsOf(timeoutMs, (calls) => calls.read('long', () => sleep(100)));
    expect(beats).toEqual([]);
  });

  it.each([300_000, undefined])('quick calls cost no heartbeat (time-out %s ms)', async (timeoutMs) => {
    const beats = await beatsOf(timeoutMs, (calls) => calls.change('quick', () => Promise.resolve()));
    expect(beats).toEqual([]);
  });
});

const never = () => new Promise<never>(() => undefined);
const kinds = ['read', 'change', 'transfer'] as const;

describe('a call that does not answer', () => {
  it.each([
    ['read', 'ServiceFault'],
    ['change', 'UnknownOutcome'],
  ] as const)('%s: it is given up in time, as %s, and told so', async (kind, errorClass) => {
    let given: Call | undefined;
    const asked = Date.now();
    const calling = inActivity(() =>
      portCalls(50)[kind]('ask', (call) => {
        given = call;
        return never();
      })
    );
    await expect(calling).rejects.toMatchObject({
      class: errorClass,
      message: expect.stringContaining('ask: no answer within 0.05 s') as string,
    });
    expect(given?.signal.aborted).toBe(true);
    expect(given?.deadlineMs).toBeGreaterThanOrEqual(asked + 50);
    expect(given?.deadlineMs).toBeLessThanOrEqual(Date.now() + 50);
  });

  it('transfer: it has all the time that moving bytes takes', async () => {
    expect(await inActivity(() => portCalls(1).transfer('move', () => sleep(20, 'moved')))).toBe('moved');
  });

  it.each(['read', 'transfer'] as const)(
    'J4 %s: it ends with its activity, also with one that has ended',
    async (kind) => {
      const during = environment();
      const cancelled = during.run(() => {
        const calling = portCalls(60_000)[kind]('ask', never);
        during.cancel();
        return calling;
      });
      await expect(cancelled).rejects.toMatchObject({ name: 'CancelledFailure' });
      const before = environment();
      before.cancel();
      const late = before.run(() => portCalls(60_000)[kind]('ask', never));
      await expect(late).rejects.toMatchObject({ name: 'CancelledFailure' });
    }
  );

  it('J4 change: it is seen through to its answer', async () => {
    const mock = environment();
    const changing = mock.run(() =>
      portCalls(60_000).change('change', async () => {
        mock.cancel();
        await new Promise(setImmediate);
        return 'changed';
      })
    );
    expect(await changing).toBe('changed');
  });
});

describe('a pause', () => {
  it('lasts as long as it should', async () => {
    await inActivity(async () => {
      const from = performance.now();
      await pause(Context.current(), 30);
      // A timer may be a millisecond early.
      expect(performance.now() - from).toBeGreaterThanOrEqual(29);
    });
  });

  it('J4 ends with its activity, also with one that has ended', async () => {
    const during = environment();
    const pausing = during.run(() => {
      const paused = pause(Context.current(), 3_600_000);
      during.cancel();
      return paused;
    });
    await expect(pausing).rejects.toMatchObject({ name: 'CancelledFailure' });
    const before = environment();
    before.cancel();
    const late = before.run(() => pause(Context.current(), 3_600_000));
    await expect(late).rejects.toMatchObject({ name: 'CancelledFailure' });
  });
});

describe('a call that is over', () => {
  it.each(kinds)('%s: nobody hears of it any more, however it ended', async (kind) => {
    const unheard: unknown[] = [];
    const hear = (error: unknown): unknown => unheard.push(error);
    process.on('unhandledRejection', hear);
    const mock = environment({ heartbeatTimeoutMs: 150 });
    let beats = 0;
    mock.on('heartbeat', () => (beats += 1));
    try {
      await mock.run(async () => {
        const calls = portCalls(30);
        const thrown = new PortError('InvalidSpec', 'not a key');
        // By a port that is no async function, and by one whose answer comes after its time.
        const throwing = calls[kind]('throw', () => {
          throw thrown;
        });
        await expect(throwing).rejects.toBe(thrown);
        if (kind !== 'transfer') {
          const late = calls[kind]('late', () => sleep(40).then(() => Promise.reject(new Error('late'))));
          await expect(late).rejects.toThrow('no answer');
        }
        const before = beats;
        // Longer than its time-out and than from one heartbeat to the next: the older of two equal timers goes first.
        for (let round = 1; round <= 3; round += 1) await sleep(50);
        expect(beats).toBe(before);
      });
      expect(unheard).toEqual([]);
    } finally {
      process.off('unhandledRejection', hear);
    }
  });

  it('leaves no listener and no timer behind: a wait of days makes hundreds of thousands of calls', async () => {
    await inActivity(async () => {
      const context = Context.current();
      const count = () => getEventListeners(context.cancellationSignal, 'abort').length;
      const before = count();
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      const timersBefore = timers();
      const calls = portCalls(30_000);
      for (let round = 1; round <= 100; round += 1)
        for (const kind of kinds) await calls[kind]('quick', () => Promise.resolve());
      await pause(context, 1);
      expect(count()).toBe(before);
      // Whatever else has one meanwhile.
      expect(timers() - timersBefore).toBeLessThan(50);
    });
  });
});
