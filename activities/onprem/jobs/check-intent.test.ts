import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { JobIntent, JobRef, JobSpec } from '@retempo/workflows/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { checkIntent } from './check-intent.js';
import { createLocalJobs } from './local-jobs.js';

const root = mkdtempSync(`${tmpdir()}/retempo-intent-`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const jobs = createLocalJobs({
  site: 'onprem.local',
  root,
  pools: [{ name: 'cpu', slots: 1 }],
  context: { materialize: () => Promise.resolve(), secret: () => Promise.resolve('') },
});
const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };

const good: JobIntent = {
  key: 'a'.repeat(64),
  releaseId: 'retempo/m/run/1-00000000',
  step: 'train',
  attempt: 1,
  specDigest: 'sha256:1',
  owner: 'owner',
  pool: 'cpu',
  spec: {
    program: { command: ['/bin/true'] },
    inputs: {},
    parameters: {},
    capacity: 'onDemand',
    timeoutMs: 60_000,
  },
};
const huge = 'x'.repeat(1_000_000);
const ref = { v: 1, uri: 'file:///x/', digest: `sha256:${'0'.repeat(64)}`, bytes: 1 };

const wrong: readonly (readonly [what: string, change: object, message: RegExp])[] = [
  ['a key that is a number', { key: 7 }, /not a job key.*: 7$/],
  ['a key in a list', { key: ['a'.repeat(64)] }, /not a job key/],
  ['a key with a path', { key: `../${'a'.repeat(61)}` }, /not a job key/],
  ['a key in capitals', { key: 'A'.repeat(64) }, /not a job key/],
  ['a key with a line feed', { key: `${'a'.repeat(64)}\n` }, /not a job key/],
  ['a huge key', { key: huge }, /not a job key/],
  ['no key', { key: undefined }, /not a job key/],
  ['no owner', { owner: '' }, /owner must be a text of 1 to 1000/],
  ['a huge release', { releaseId: huge }, /releaseId must be a text/],
  ['a step that is a list', { step: ['train'] }, /step must be a text/],
  ['no spec', { spec: null }, /spec must be an object, not null/],
  ['an attempt that is a text', { attempt: '1' }, /attempt must be a whole number from 1, not "1"/],
  ['attempt 0', { attempt: 0 }, /attempt must be/],
  ['an attempt beyond counting', { attempt: 1e300 }, /attempt must be/],
  ['a digest of the spec that is a number', { specDigest: 7 }, /specDigest must be a text/],
  ['a pool that is not there', { pool: 'größer' }, /no pool "größer"; it has: cpu/],
  ['a pool that is an object', { pool: { name: 'cpu' } }, /no pool/],
];
const wrongSpec: readonly (readonly [what: string, change: object, message: RegExp])[] = [
  ['no program', { program: undefined }, /spec\.program must be an object/],
  ['an image', { program: { image: 'x' } }, /runs commands only/],
  ['a command that is a text', { program: { command: 'node train.js' } }, /list of texts, not "node train.js"/],
  ['a program without a name', { program: { command: ['', 'x'] } }, /command is empty/],
  ['no command', { program: { command: [] } }, /command is empty/],
  ['a command with a NUL', { program: { command: ['node', 'a\0b'] } }, /part 1 of the command contains a NUL/],
  ['a command with a number', { program: { command: ['node', 7] } }, /part 1 of the command .* is no text/],
  ['inputs that are a list', { inputs: [] }, /spec\.inputs must be an object/],
  ['an input that leaves its folder', { inputs: { '../x': ref } }, /not a name of an input: "\.\.\/x"/],
  ['an input with a unicode name', { inputs: { größe: ref } }, /not a name of an input/],
  ['an input with a huge name', { inputs: { [huge]: ref } }, /^not a name of an input: "x{79}; use letters/],
  ['an input that is a text', { inputs: { data: 'file:///x' } }, /input data is not the reference .*: "file/],
  ['an input without digest', { inputs: { data: { ...ref, digest: undefined } } }, /input data is not the reference/],
  ['an input without a place', { inputs: { data: { ...ref, uri: undefined } } }, /input data is not the reference/],
  ['code that is a path', { code: '../../x' }, /spec\.code is not the reference of an artifact .*: "\.\.\/\.\.\/x"/],
  ['code with a huge digest', { code: { ...ref, digest: huge } }, /spec\.code is not/],
  ['code of -1 bytes', { code: { ...ref, bytes: -1 } }, /spec\.code is not/],
  ['a checkpoint that is null', { checkpoint: null }, /spec\.checkpoint is not .*: null/],
  ['a checkpoint of another version', { checkpoint: { ...ref, v: 2 } }, /spec\.checkpoint is not/],
  ['an accelerator', { accelerator: { kind: 'größe', count: 1 } }, /counts no accelerators/],
  ['a capacity that does not exist', { capacity: 'cheap' }, /one of onDemand, spot, reserved, flex, not "cheap"/],
  ['no capacity', { capacity: undefined }, /spec\.capacity must be/],
  ['parameters that are a text', { parameters: 'x' }, /spec\.parameters must be an object/],
  ['an environment that is a list', { env: ['A=1'] }, /spec\.env must be an object/],
  ['a variable with an equals sign', { env: { 'A=B': 'x' } }, /not a name of an environment variable/],
  ['a variable of ours', { env: { RETEMPO_JOB_FOLDER: '/' } }, /RETEMPO_ are set by Retempo/],
  ['a variable that is a number', { env: { A: 1 } }, /A: the value contains a NUL character or is no text/],
  ['a variable with a NUL', { env: { A: '\0' } }, /A: the value contains a NUL character/],
  ['two replicas', { replicas: 2 }, /replicas must be 1, not 2/],
  ['no time', { timeoutMs: 0 }, /timeoutMs must be above 0/],
  ['endless time', { timeoutMs: Number.POSITIVE_INFINITY }, /timeoutMs/],
  ['eleven years', { timeoutMs: 11 * 366 * 86_400_000 }, /at most ten years/],
  ['time as a text', { timeoutMs: '60s' }, /timeoutMs/],
];

/** A key that is added to the contract and not named here does not compile. */
type EveryKey<T> = { readonly [key in keyof T]-?: true };

describe('what can never run here', () => {
  it.each([
    ...wrong.map(([what, change, message]) => [what, { ...good, ...change }, message] as const),
    ...wrongSpec.map(
      ([what, change, message]) => [what, { ...good, spec: { ...good.spec, ...change } }, message] as const
    ),
  ])('%s: refused in one short sentence, nothing started, nothing written', async (_what, intent, message) => {
    const creating = jobs.create(intent, call);
    await expect(creating).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(message) as string,
    });
    await creating.catch((error: Error) => expect(error.message.length).toBeLessThan(300));
    expect(readdirSync(root)).toEqual([]);
  });

  it('every part of an intent is among them', () => {
    const intent: EveryKey<JobIntent> = {
      key: true,
      releaseId: true,
      step: true,
      attempt: true,
      specDigest: true,
      owner: true,
      pool: true,
      spec: true,
    };
    const spec: EveryKey<JobSpec> = {
      program: true,
      code: true,
      inputs: true,
      parameters: true,
      env: true,
      checkpoint: true,
      accelerator: true,
      replicas: true,
      capacity: true,
      timeoutMs: true,
    };
    const partsOf = (cases: typeof wrong) => new Set(cases.flatMap(([, change]) => Object.keys(change)));
    expect(partsOf(wrong)).toEqual(new Set(Object.keys(intent)));
    expect(partsOf(wrongSpec)).toEqual(new Set(Object.keys(spec)));
  });

  it.each(['', '..', '../../etc', 'a/b', 'ä'.repeat(64), `${'a'.repeat(64)}/x`, '\u0000', huge])(
    'a reference to what is no job (%#) is NotFound for every call, and reaches nothing',
    async (key) => {
      const bad: JobRef = { v: 1, site: 'onprem.local', id: key, key };
      expect(await jobs.find(key, call)).toEqual([]);
      for (const work of [
        () => jobs.describe(bad, call),
        () => jobs.requestStop(bad, call),
        () => jobs.outputOf(bad, call),
      ]) {
        await expect(work()).rejects.toMatchObject({ class: 'NotFound' });
        await work().catch((error: Error) => expect(error.message.length).toBeLessThan(200));
      }
      expect(readdirSync(root)).toEqual([]);
    }
  );
});

describe('the pool of a job', () => {
  const pools = [
    { name: 'small', slots: 1 },
    { name: 'large', slots: 7 },
  ];
  const { pool: _pool, ...anywhere } = good;

  it('is the one that it names, else the first; one process may be asked for', () => {
    const single = { ...good.spec, replicas: 1 };
    expect(checkIntent({ ...good, pool: 'large', spec: single }, 'onprem.local', pools)).toBe(pools[1]);
    expect(checkIntent(anywhere, 'onprem.local', pools)).toBe(pools[0]);
  });

  it('a site without pools says so', () => {
    expect(() => checkIntent(anywhere, 'onprem.local', [])).toThrow(
      'onprem.local has no pool undefined; it has: none;'
    );
  });
});
