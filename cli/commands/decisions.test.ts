import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordedIo } from '../recorded-io.test.util.js';
import { openSession, type Session } from '../session.js';
import { decisions } from './decisions.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-decisions-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What the command says, as JSON or as lines, with this session. */
async function told(session: Session, limit: number, model: string): Promise<void> {
  await decisions.action(session, { limit } as never, [model]);
  await session.close();
}

describe('decisions', () => {
  const decision = (n: number) => ({
    n,
    at: `2026-11-2${n}T08:00:00.000Z`,
    what: 'hold',
    by: n === 2 ? 'ann\u001b[31m' : 'governor',
    reason: `reason ${n}\nmore of it`,
  });

  async function project(): Promise<void> {
    await mkdir(join(folder, 'models'));
    await writeFile(join(folder, 'retempo.yaml'), '');
    await writeFile(join(folder, 'train.js'), '');
    await writeFile(
      join(folder, 'models', 'late.yaml'),
      'model: late\ndata: { source: rows.csv, time: at, label: late }\ntrain: { run: x }\nevaluate: { run: x }\n'
    );
  }

  it('of a project are read from its registry, newest first', async () => {
    await project();
    const open = (json: boolean) => {
      const io = recordedIo({ cwd: folder });
      return { io, session: openSession(io, { timeoutMs: 1_000, json }) };
    };
    const none = open(false);
    await told(none.session, 20, 'late');
    expect(none.io.out()).toBe('no decision yet\n');
    const writing = open(false);
    const { registry } = await writing.session.installation();
    const call = { signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 };
    for (const [name, numbers] of [
      ['1', [1, 2]],
      ['2', [3]],
    ] as const) {
      const saved = { v: 1, decisions: numbers.map(decision) };
      await registry.writeDocument(`models/late/decisions/${name}`, saved, { ifAbsent: true }, call);
    }
    await writing.session.close();
    const { io, session } = open(true);
    await told(session, 2, 'late');
    expect(JSON.parse(io.out())).toEqual({ v: 1, model: 'late', decisions: [decision(3), decision(2)] });
    const lines = open(false);
    await told(lines.session, 2, 'late');
    expect(lines.io.out().split('\n')).toEqual([
      expect.stringMatching(/^2026-11-23 08:00:00 +governor +hold +reason 3$/),
      expect.stringMatching(/^2026-11-22 08:00:00 +ann\S* +hold +reason 2$/),
      '',
    ]);
    expect(lines.io.out()).not.toContain('\u001b');
    await expect(told(open(false).session, 20, 'lat')).rejects.toMatchObject({
      code: 'unknownModel',
      message: expect.stringContaining(
        'there is no model "lat" and no decision about it; models of this project: late'
      ),
    });
  });

  it('without a project are those that the governor has, never more than it can say', async () => {
    const asked: unknown[] = [];
    const io = recordedIo({ cwd: folder });
    const starters = {
      getDecisions: (...what: unknown[]) => {
        asked.push(what);
        return Promise.resolve([decision(1)]);
      },
    };
    const session = { ...openSession(io, { timeoutMs: 1_000 }), starters: () => Promise.resolve(starters as never) };
    await told(session, 1_000, 'late');
    await told(session, 5, 'late');
    expect(asked).toEqual([
      ['late', 20],
      ['late', 5],
    ]);
    expect(io.out()).toContain('reason 1');
  });
});
