import { ServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { StarterError, type Starters } from '@retempo/starters';
import type { Decision } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { recordedIo } from '../recorded-io.test.util.js';
import { openSession, type Session } from '../session.js';
import type { Temporal } from '../temporal.js';
import { watch } from './watch.js';

// How a watch ends, by what a governor says one look after the other.

const mine = 'retempo/m/run/1';
const other = 'retempo/m/run/2';
const since = '2026-11-21T12:00:00.000Z';

const status = (change: object = {}) => ({
  model: 'm',
  phase: 'healthy',
  sentence: 'all is well',
  champion: null,
  running: null,
  next: null,
  waitingFor: null,
  cooldownUntil: null,
  detail: null,
  ...change,
});
const runs = (runId = mine) => status({ phase: 'running', running: { runId, phase: 'training', since } });
const reserved = status({ phase: 'confirmed', next: { runId: mine } });
const ended = (what: string, runId = mine, by = 'release') =>
  ({ at: since, by, what, runId, reason: `because it was ${what}` }) as unknown as Decision;

const unavailable = new StarterError('unavailable', 'the server does not answer');
const noWorker = new StarterError('noWorker', 'no worker answered');
/** What describing a run throws while the server is away. */
const refused = new ServiceError('failed', {
  cause: Object.assign(new Error('14'), { code: 14, details: 'connection refused', metadata: {} }),
});

interface Governor {
  /** What it says at each look; the last one again and again. */
  readonly looks: readonly (object | Error)[];
  readonly decisions?: readonly Decision[];
  /** What the server says when it is asked for a run. */
  readonly described?: Error;
  readonly json?: boolean;
  readonly terminal?: boolean;
}

async function watched(governor: Governor, options: object = {}) {
  let looks = 0;
  const getStatus = () => {
    const seen = governor.looks[Math.min(looks++, governor.looks.length - 1)];
    return seen instanceof Error ? Promise.reject(seen) : Promise.resolve(seen);
  };
  let described = 0;
  const describe = () => {
    const isSecond = described++ === 1;
    const away = governor.described !== undefined && isSecond;
    return Promise.reject(away ? governor.described : new WorkflowNotFoundError('gone', mine, undefined));
  };
  const io = recordedIo({ terminal: governor.terminal === true });
  const session: Session = {
    ...openSession(io, { timeoutMs: 1_000, json: governor.json === true }),
    starters: () =>
      Promise.resolve({
        getStatus,
        getDecisions: () => Promise.resolve(governor.decisions ?? []),
      } as unknown as Starters),
    temporal: () =>
      Promise.resolve({
        uiUrl: 'http://ui',
        namespace: 'n',
        client: { workflow: { getHandle: () => ({ describe }) } },
      } as unknown as Temporal),
  };
  const code: unknown = await Promise.resolve(watch.action(session, { every: 1, ...options } as never, ['m'])).catch(
    (error: unknown) => error
  );
  return { code, out: io.out(), err: io.err(), looks };
}

describe('watch', () => {
  it('writes nothing but documents with --json, also while nobody answers', async () => {
    const looks = [runs(), noWorker, noWorker, runs(), noWorker, status()];
    const { code, out, err } = await watched({ looks, decisions: [ended('promoted')], json: true, terminal: true });
    expect(code).toBe(0);
    const documents = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(documents).toEqual([expect.objectContaining({ v: 1, status: runs() }), { v: 1, ended: ended('promoted') }]);
    expect(err.match(/m {3}no answer: no worker answered/g)).toHaveLength(2);
  });

  it('rewrites its lines on a terminal, and nowhere else', async () => {
    const governor = { looks: [runs(), status()], decisions: [ended('promoted')] };
    const rewritten = '\u001b[J';
    expect((await watched({ ...governor, terminal: true })).out).toContain(rewritten);
    expect((await watched(governor)).out).not.toContain(rewritten);
    expect((await watched({ ...governor, terminal: true }, { once: true })).out).not.toContain(rewritten);
  });

  it.each([
    ['promoted', 0],
    ['refusedByGate', 1],
    ['rolledBack', 1],
    ['failed', 1],
  ])('ends with the run that it follows: %s is exit code %d', async (what, code) => {
    const decisions = [ended('promoted', other), ended(what, mine, 'gate'), ended(what)];
    const { looks, out, ...told } = await watched({ looks: [runs(), runs(), status()], decisions });
    expect(told).toEqual({ code, err: `http://ui/namespaces/n/workflows/retempo%2Fm%2Frun%2F1\n` });
    expect(looks).toBe(3);
    expect(out).toContain(`${what}   because it was ${what}\nrun ${mine} `);
  });

  it('ends with its run also where the next one runs already', async () => {
    const { code, out } = await watched({ looks: [runs(), runs(other)], decisions: [ended('promoted')] });
    expect(code).toBe(0);
    expect(out).toContain(`run ${mine} `);
  });

  it('tells the end of a run of which nothing is recorded, and does not call it good', async () => {
    const { code, out } = await watched({ looks: [runs(), status()] });
    expect(code).toBe(1);
    expect(out).toContain(`${mine} ended; see: retempo decisions m`);
  });

  it('follows the run that runs where another one is reserved behind it', async () => {
    const both = { ...runs(), next: { runId: other } };
    expect(await watched({ looks: [both, status()], decisions: [ended('promoted')] })).toMatchObject({
      code: 0,
      looks: 2,
    });
  });

  it('waits for a run that is reserved', async () => {
    expect(await watched({ looks: [reserved, runs(), status()], decisions: [ended('promoted')] })).toMatchObject({
      code: 0,
      looks: 3,
    });
  });

  it('with --run follows that run alone, through another one before it', async () => {
    const before = { ...runs(other), next: { runId: mine } };
    const decisions = [ended('rolledBack', other), ended('promoted')];
    expect(await watched({ looks: [before, reserved, runs(), status()], decisions }, { run: mine })).toMatchObject({
      code: 0,
      looks: 4,
    });
  });

  it('with --run tells how it ended, also too late; and that there is none', async () => {
    const late = { looks: [runs(other)], decisions: [ended('rolledBack')] };
    expect(await watched(late, { run: mine })).toMatchObject({ code: 1, looks: 1 });
    const document = await watched({ ...late, json: true }, { run: mine });
    expect(JSON.parse(document.out)).toEqual({ v: 1, ended: ended('rolledBack') });
    expect((await watched({ looks: [status()] }, { run: mine })).code).toMatchObject({
      code: 'unknownRun',
      exitCode: 1,
    });
  });

  it('where nothing runs it says how the last run ended, and is content', async () => {
    const decisions = [ended('paused', other, 'person'), ended('failed'), ended('promoted', other)];
    const { code, looks, out } = await watched({ looks: [status()], decisions });
    expect({ code, looks }).toEqual({ code: 0, looks: 1 });
    expect(out).toContain(`failed   because it was failed\nrun ${mine} `);
    for (const [recorded, last] of [
      [decisions, ended('failed')],
      [[], null],
    ] as const) {
      const document = await watched({ looks: [status()], decisions: recorded, json: true });
      const documents = document.out.trim().split('\n');
      expect(documents.map((line) => JSON.parse(line) as object)).toEqual([
        expect.objectContaining({ status: status() }),
        { v: 1, ended: last },
      ]);
    }
  });

  it('with --once looks once, whatever it sees', async () => {
    for (const look of [runs(), reserved, status()])
      expect(await watched({ looks: [look], decisions: [ended('failed')] }, { once: true })).toMatchObject({
        code: 0,
        looks: 1,
        out: expect.not.stringContaining('because') as string,
      });
    expect((await watched({ looks: [status()], json: true }, { once: true })).out).not.toContain('ended');
    expect((await watched({ looks: [noWorker] }, { once: true })).code).toBe(noWorker);
  });

  it('outlasts workers and a server that are away for a moment, but does not begin without them', async () => {
    const decisions = [ended('promoted')];
    for (const away of [noWorker, unavailable])
      expect(await watched({ looks: [runs(), away, away, status()], decisions })).toMatchObject({
        code: 0,
        looks: 4,
        out: expect.stringContaining(`m   no answer: ${away.message}`) as string,
      });
    expect(await watched({ looks: [runs(), runs(), status()], decisions, described: refused })).toMatchObject({
      code: 0,
      out: expect.stringContaining('m   no answer: the Temporal server does not answer') as string,
    });
    expect((await watched({ looks: [unavailable, status()] })).code).toBe(unavailable);
    const unknown = new StarterError('unknownModel', 'there is no model "m"');
    expect((await watched({ looks: [runs(), unknown] })).code).toBe(unknown);
  });
});
