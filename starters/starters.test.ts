import { inspect } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterAll, describe, expect, it } from 'vitest';
import { triggerOf } from './checks.js';
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

  it('events of what is no model, also when there are none', async () => {
    await expect(starters.reportEvents('No Slug', [])).rejects.toMatchObject({ problem: 'malformed' });
  });

  it('any of many events, before the first is sent', async () => {
    await expect(starters.reportEvents('flight-delay', [{ source: 's', id: '', cause: 'c' }])).rejects.toMatchObject({
      problem: 'malformed',
    });
  });
});

describe('every part of every request', () => {
  const long = 'x'.repeat(100_000);
  const notText = [undefined, null, 5, true, '', ' \t', {}, [], long, Symbol.iterator, 1n];
  const notModel = [...notText, 'No Slug', '../x', 'a\0b', '🛫', 'Größe', 'a'.repeat(64)];
  const notLine = [...notText, 'a\0b', 'a\nb'];
  // What may be left out is no mistake when it is.
  const given = (values: readonly unknown[]) => values.filter((value) => value !== undefined);
  const digests = { model: 'sha256:a', evidence: 'sha256:b', policy: 'sha256:c' };
  const press = { model: 'flight-delay', actor: 'ann', reason: 'because' };
  const badPress = { model: notModel, actor: notText, reason: notText };
  const badTrigger = {
    source: notLine,
    id: notLine,
    cause: notText,
    actor: given(notText),
    at: [null, 'now', 5, {}, new Date('soon')],
  };
  const badVote = {
    ...badPress,
    digests: [null, 5, 'sha256:a', [], {}, { ...digests, model: '' }, { ...digests, policy: 5 }, { model: 'a' }],
  };
  const badWhat = { ...badPress, what: [null, 5, '', 'canary', {}, long] };
  const badRetrain = {
    ...badTrigger,
    model: notModel,
    kind: [null, 5, '', 'drift', 'schedule', {}, long],
    force: [null, 1, 'yes', {}],
  };

  type Asked = (part: Record<string, unknown>) => Promise<unknown>;
  const table: { readonly [name: string]: readonly [object, Asked, { readonly [part: string]: readonly unknown[] }] } =
    {
      requestRetrain: [good, (part) => starters.requestRetrain(part as never), badRetrain],
      reportEvents: [good, (part) => starters.reportEvents('flight-delay', [good, part as never]), badTrigger],
      getStatus: [{}, ({ model }) => starters.getStatus(model as never), { model: notModel }],
      getDecisions: [
        { model: 'flight-delay', limit: 5 },
        ({ model, limit }) => starters.getDecisions(model as never, limit as never),
        { model: notModel, limit: [null, 0, -1, 1.5, 21, Number.NaN, '5', {}] },
      ],
      approve: [press, (part) => starters.approve(part as never), badVote],
      reject: [press, (part) => starters.reject(part as never), badVote],
      pause: [press, (part) => starters.pause(part as never), badWhat],
      resume: [press, (part) => starters.resume(part as never), badWhat],
      promote: [press, (part) => starters.promote(part as never), badPress],
      rollback: [press, (part) => starters.rollback(part as never), badPress],
      abort: [press, (part) => starters.abort(part as never), badPress],
    };

  it('is looked at: no function is left out', () => {
    expect(Object.keys(table).toSorted()).toEqual(Object.keys(starters).toSorted());
  });

  it.each(Object.entries(table))('%s: a wrong value is told by its name, before anything is sent', async (_, row) => {
    const [right, asked, bad] = row;
    for (const [part, values] of Object.entries(bad)) {
      for (const value of values) {
        const shown = `${part} = ${inspect(value).slice(0, 40)}`;
        const told: unknown = await asked({ ...right, [part]: value }).then(
          () => 'was taken',
          (error: unknown) => error
        );
        expect(told, shown).toMatchObject({ name: 'StarterError', problem: 'malformed' });
        const { message } = told as Error;
        expect(message, shown).toMatch(part === 'model' ? /is no model name/ : new RegExp(`^${part}`));
        expect(message.length, shown).toBeLessThan(200);
      }
    }
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a request that is none', () => starters.requestRetrain(undefined as never)],
    ['an event that is none', () => starters.reportEvents('flight-delay', [null as never])],
    ['events that are no list', () => starters.reportEvents('flight-delay', 'x' as never)],
    ['a press that is none', () => starters.approve(5 as never)],
    ['a press that is nothing', () => starters.pause(null as never)],
  ])('%s', async (_what, asked) => {
    await expect((async () => asked())()).rejects.toMatchObject({ problem: 'malformed' });
  });
});

it('refuses nothing that a governor takes: the server is asked', async () => {
  const press = { model: good.model, actor: 'ann', reason: 'because' };
  const asked = [
    starters.requestRetrain({ ...good, cause: 'new fares\nloaded' }),
    starters.requestRetrain({ ...good, kind: 'person', force: true }),
    starters.pause({ ...press, what: 'model' }),
    starters.resume({ ...press, what: 'rollout' }),
    starters.approve(press),
    starters.approve({ ...press, digests: { model: 'a', evidence: 'b', policy: 'c' } }),
    starters.getDecisions(good.model),
    starters.getDecisions(good.model, 1),
    starters.getDecisions(good.model, 20),
  ];
  for (const told of await Promise.allSettled(asked))
    expect(told).toMatchObject({
      reason: { problem: 'unavailable', message: expect.stringMatching(/\(\w[\w ]* flight-delay\)/) as string },
    });
});

it('makes a trigger of all that a request says, with what may be left out', () => {
  const at = new Date('2026-11-21T08:00:00Z');
  const { model: _, ...said } = good;
  expect(triggerOf({ ...good, at })).toEqual({ kind: 'event', ...said, actor: 'pricing', at: at.toISOString() });
  expect(triggerOf({ ...good, at, kind: 'person', actor: 'ann', force: true })).toEqual({
    kind: 'person',
    ...said,
    actor: 'ann',
    at: at.toISOString(),
    force: true,
  });
  // What is reported is an event, whatever it says of itself.
  expect(triggerOf({ ...good, at, kind: 'person' }, 'event').kind).toBe('event');
  const before = Date.now();
  const { at: now } = triggerOf(good);
  expect(Date.parse(now)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(now)).toBeLessThanOrEqual(Date.now());
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
