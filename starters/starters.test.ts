import { Client, Connection } from '@temporalio/client';
import { afterAll, describe, expect, it } from 'vitest';
import { createStarters, type RetrainRequest, type Starters } from './starters.js';

// Nobody listens on port 1: what is refused here was refused before anything was sent.
const connection = Connection.lazy({ address: '127.0.0.1:1' });
const starters = createStarters({ client: new Client({ connection }), timeoutMs: 1_000 });
afterAll(() => connection.close());

const good: RetrainRequest = { model: 'flight-delay', source: 'pricing', id: 'order-1', cause: 'new fares loaded' };

describe('requestRetrain refuses before it asks', () => {
  const long = 'x'.repeat(501);
  const bad: readonly (readonly [string, Partial<RetrainRequest>, string])[] = [
    ['a model name with spaces', { model: 'No Slug' }, '"No Slug" is no model name'],
    ['a model name that climbs', { model: '../etc' }, 'is no model name'],
    ['no model name', { model: '' }, 'is no model name'],
    ['a long model name', { model: `a${long}` }, 'is no model name'],
    ['no source', { source: '' }, 'source: expected text of 1 to 500 characters'],
    ['a huge id', { id: long }, 'id: expected text of 1 to 500 characters'],
    ['an id that is a number', { id: 7 as unknown as string }, 'id: expected text'],
    ['no cause', { cause: undefined as unknown as string }, 'cause: expected text'],
    ['a time that is text', { at: '2026-11-21' as unknown as Date }, 'at: expected a valid Date'],
    ['a time that is none', { at: new Date('soon') }, 'at: expected a valid Date'],
    ['a time that is null', { at: null as unknown as Date }, 'at: expected a valid Date'],
    ['force without a person', { force: true }, "force: needs kind 'person'"],
  ];
  it.each(bad)('%s', async (_what, change, says) => {
    await expect(starters.requestRetrain({ ...good, ...change })).rejects.toMatchObject({
      name: 'StarterError',
      problem: 'malformed',
      message: expect.stringContaining(says),
    });
  });

  it('any of many events, before the first is sent', async () => {
    await expect(starters.reportEvents('flight-delay', [{ source: 's', id: '', cause: 'c' }])).rejects.toMatchObject({
      problem: 'malformed',
    });
  });
});

describe('every function refuses what is no model name', () => {
  const press = { model: 'No Slug', actor: 'ann', reason: 'because' };
  const asks: { readonly [name in keyof Starters]: () => Promise<unknown> } = {
    requestRetrain: () => starters.requestRetrain({ ...good, model: press.model }),
    reportEvents: () => starters.reportEvents(press.model, [good]),
    getStatus: () => starters.getStatus(press.model),
    getDecisions: () => starters.getDecisions(press.model),
    approve: () => starters.approve(press),
    reject: () => starters.reject(press),
    pause: () => starters.pause(press),
    resume: () => starters.resume({ ...press, what: 'rollout' }),
    promote: () => starters.promote(press),
    rollback: () => starters.rollback(press),
    abort: () => starters.abort(press),
  };

  it('and these are all there are', () => {
    expect(Object.keys(asks).toSorted()).toEqual(Object.keys(starters).toSorted());
  });

  it.each(Object.entries(asks))('%s', async (_name, ask) => {
    await expect((async () => ask())()).rejects.toMatchObject({ problem: 'malformed' });
  });
});
