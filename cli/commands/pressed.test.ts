import { createStarters, type Starters } from '@retempo/starters';
import { describe, expect, it } from 'vitest';
import { recordedIo } from '../recorded-io.test.util.js';
import { openSession, type Session } from '../session.js';
import type { Temporal } from '../temporal.js';
import { buttons } from './buttons.js';
import { retrain } from './retrain.js';

// What a button or a retrain asks of a governor, and what becomes of its answer, without one: what the governor would hear is
// written down.

const digests = { model: `sha256:${'ab12'.repeat(16)}`, evidence: 'sha256:e', policy: 'sha256:p' };

/** A session whose governor gives one answer to everything. */
function sessionWith(answer: object, options: { readonly waits?: boolean; readonly json?: boolean } = {}) {
  const heard: unknown[][] = [];
  const io = recordedIo({ env: { RETEMPO_ACTOR: 'ann' } });
  const names = Object.keys(createStarters({ client: {} as never })) as (keyof Starters)[];
  const answering = (name: string) => (request: unknown) => {
    if (name === 'getStatus') return Promise.resolve({ waitingFor: options.waits === false ? null : { digests } });
    heard.push([name, request]);
    return Promise.resolve(answer);
  };
  const starters = Object.fromEntries(names.map((name) => [name, answering(name)])) as unknown as Starters;
  const temporal = { uiUrl: 'http://ui', namespace: 'default' } as Temporal;
  const session: Session = {
    ...openSession(io, { timeoutMs: 1_000, json: options.json === true }),
    starters: () => Promise.resolve(starters),
    temporal: () => Promise.resolve(temporal),
  };
  return { session, heard, io };
}

const press = { model: 'm', actor: 'ann', reason: 'seen' };

async function pressed(
  name: string,
  options: object = {},
  answer: object = { done: true, reason: 'so be it' },
  waits = true
) {
  const { session, heard, io } = sessionWith(answer, { waits });
  const button = buttons.find((one) => one.name === name);
  const code = await button?.action(session, { why: 'seen', ...options } as never, ['m']);
  return { code, heard, out: io.out() };
}

describe('a button', () => {
  it.each<[name: string, options: object, heard: readonly unknown[]]>([
    ['approve', {}, ['approve', press]],
    ['reject', {}, ['reject', press]],
    ['pause', {}, ['pause', { ...press, what: 'model' }]],
    ['pause', { rollout: true }, ['pause', { ...press, what: 'rollout' }]],
    ['resume', {}, ['resume', { ...press, what: 'model' }]],
    ['resume', { rollout: true }, ['resume', { ...press, what: 'rollout' }]],
    ['promote', {}, ['promote', press]],
    ['rollback', {}, ['rollback', press]],
    ['abort', {}, ['abort', press]],
    ['abort', { actor: 'mia' }, ['abort', { ...press, actor: 'mia' }]],
  ])('%s with %j is heard as it was pressed', async (name, options, heard) => {
    expect(await pressed(name, options)).toEqual({ code: 0, heard: [heard], out: '  done   so be it\n' });
  });

  it('has the option that tells what it is about, where there is one', () => {
    const own = buttons.map(({ name, options }) => [name, options?.map(({ long }) => long).slice(2)]);
    expect(own).toEqual([
      ['approve', ['--digest']],
      ['reject', ['--digest']],
      ['pause', ['--rollout']],
      ['resume', ['--rollout']],
      ['promote', []],
      ['rollback', []],
      ['abort', []],
    ]);
    for (const { name, examples } of buttons)
      expect(examples.some((one) => one.includes('--rollout'))).toBe(name === 'pause' || name === 'resume');
  });

  it('that did nothing says so, also by its exit code', async () => {
    expect(await pressed('abort', {}, { done: false, reason: 'too late' })).toMatchObject({
      code: 1,
      out: '  nothing done   too late\n',
    });
  });

  it('gives one document with --json', async () => {
    const { session, io } = sessionWith({ done: false, reason: 'too late' }, { json: true });
    expect(await buttons[0]?.action(session, { why: 'seen' } as never, ['m'])).toBe(1);
    expect(JSON.parse(io.out())).toEqual({ v: 1, model: 'm', done: false, reason: 'too late' });
  });
});

describe.each(['approve', 'reject'])('%s of one digest', (name) => {
  it.each(['ab12ab12', 'sha256:ab12ab12', digests.model])('%s votes on what was looked at', async (digest) => {
    expect(await pressed(name, { digest })).toMatchObject({ code: 0, heard: [[name, { ...press, digests }]] });
  });

  it.each(['ab12ab1', 'sha256:ab12ab1', 'sha256:', '', 'b12ab12a', `${digests.model}0`])(
    '%j does not vote: too little to tell versions apart, or another version waits',
    async (digest) => {
      const { code, heard, out } = await pressed(name, { digest });
      expect({ code, heard }).toEqual({ code: 1, heard: [] });
      expect(out).toContain(`what waits is the model ${digests.model}, not ${digest}; look again`);
    }
  );

  it('leaves it to the governor to say that nothing waits', async () => {
    expect(await pressed(name, { digest: 'ab12ab12' }, { done: false, reason: 'nothing waits' }, false)).toMatchObject({
      code: 1,
      heard: [[name, press]],
    });
  });
});

describe('retrain', () => {
  const accepted = { answer: 'accepted', repeated: false, runId: 'retempo/m/run/1', reason: 'begun' };

  async function asked(options: object, answer: object = accepted) {
    const { session, heard, io } = sessionWith(answer);
    const code = await retrain.action(session, { why: 'seen', ...options } as never, ['m']);
    return { code, heard, out: io.out() };
  }

  const request = { model: 'm', source: 'cli', cause: 'seen', kind: 'person', actor: 'ann' };

  it('asks with an id of its own, each time another', async () => {
    const ids = [];
    for (let times = 0; times < 2; times++) {
      const { heard } = await asked({});
      const [[, heardOnce] = []] = heard;
      const { id, ...rest } = heardOnce as { readonly id: string };
      expect(rest).toEqual(request);
      ids.push(id);
    }
    expect(new Set(ids).size).toBe(2);
  });

  it('passes on who asks, the id, and that it is forced', async () => {
    const { heard, code, out } = await asked({ id: 'fares', force: true, actor: 'mia' });
    expect(heard).toEqual([['requestRetrain', { ...request, id: 'fares', actor: 'mia', force: true }]]);
    expect(code).toBe(0);
    expect(out).toBe(
      '  accepted   run retempo/m/run/1   http://ui/namespaces/default/workflows/retempo%2Fm%2Frun%2F1\n  begun\n'
    );
  });

  it('gives one document with --json', async () => {
    const { session, io } = sessionWith(accepted, { json: true });
    await retrain.action(session, { why: 'seen', id: 'fares' } as never, ['m']);
    const url = 'http://ui/namespaces/default/workflows/retempo%2Fm%2Frun%2F1';
    expect(JSON.parse(io.out())).toEqual({ v: 1, model: 'm', id: 'fares', ...accepted, url });
  });

  it('tells an answer that was given before, and a refusal by its exit code', async () => {
    expect((await asked({}, { ...accepted, repeated: true })).out).toContain('accepted (as before)');
    const refused = { answer: 'refused', repeated: false, reason: 'cooldown', retryAt: '2099-01-01T00:00:00Z' };
    const { code, out } = await asked({}, refused);
    expect(code).toBe(1);
    expect(out).toMatch(/^ {2}refused\n {2}cooldown; next possible .*2099/);
    expect(await asked({}, { ...accepted, answer: 'coalesced' })).toMatchObject({ code: 0 });
  });
});
