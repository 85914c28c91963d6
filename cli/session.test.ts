import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordedIo } from './recorded-io.test.util.js';
import { openSession } from './session.js';
import { checkedAddress, credentialsFor, findTemporal, workflowUrl } from './temporal.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-session-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (more: object = {}) => openSession(recordedIo({ cwd: folder }), { timeoutMs: 1_000, ...more });

describe('what a command leaves to be done at its end', () => {
  it('is done once, last in, first out', async () => {
    const session = open();
    const done: number[] = [];
    for (const at of [1, 2, 3]) session.defer(() => Promise.resolve(void done.push(at)));
    await session.close();
    expect(done).toEqual([3, 2, 1]);
    await session.close();
    expect(done).toEqual([3, 2, 1]);
  });

  it('is done all the same where one part fails, and the first failure is told', async () => {
    const session = open();
    const done: string[] = [];
    session.defer(() => Promise.resolve(void done.push('server')));
    session.defer(() => Promise.reject(new Error('endpoints')));
    session.defer(() => Promise.reject(new Error('workers')));
    await expect(session.close()).rejects.toThrow('workers');
    expect(done).toEqual(['server']);
  });
});

describe('a session', () => {
  it('reads the configuration once, and finds the nearest project', async () => {
    await writeFile(join(folder, 'retempo.yaml'), 'owner: one\n');
    await mkdir(join(folder, 'deep', 'er'), { recursive: true });
    const session = openSession(recordedIo({ cwd: join(folder, 'deep', 'er') }), { timeoutMs: 1_000 });
    expect((await session.config()).owner).toBe('one');
    await writeFile(join(folder, 'retempo.yaml'), 'owner: two\n');
    expect((await session.config()).owner).toBe('one');
    expect((await open({ project: '.' }).config()).owner).toBe('two');
  });

  it('writes results as one document or as lines, and nothing where there is no line', () => {
    for (const [json, lines, out] of [
      [false, ['a', 'b'], 'a\nb\n'],
      [false, 'c', 'c\n'],
      [false, [], ''],
      [true, ['a'], '{"v":1}\n'],
    ] as const) {
      const io = recordedIo({ cwd: folder });
      openSession(io, { timeoutMs: 1_000, json }).result({ v: 1 }, lines);
      expect(io.out()).toBe(out);
      expect(io.err()).toBe('');
    }
  });
});

describe('the server', () => {
  const temporal = { address: 'file:1', namespace: 'of-file', apiKey: 'secret:key', tls: null };
  const find = (from: { address?: string; namespace?: string; env?: object; config?: object | null }) =>
    findTemporal({
      io: recordedIo({ env: { ...from.env } }),
      address: from.address,
      namespace: from.namespace,
      config: from.config === null ? null : { temporal, stateFolder: folder },
    });

  it('is the one of the option, of the environment, of the file, or the usual one, in this order', async () => {
    const env = { TEMPORAL_ADDRESS: 'env:2', TEMPORAL_NAMESPACE: 'of-env', TEMPORAL_UI: 'http://ui' };
    expect(await find({ address: 'opt:3', env })).toEqual({
      address: 'opt:3',
      namespace: 'of-env',
      uiUrl: 'http://ui',
      from: 'option',
    });
    expect(await find({ env, namespace: 'of-option' })).toMatchObject({
      address: 'env:2',
      namespace: 'of-option',
      from: 'environment',
    });
    expect(await find({ env: { TEMPORAL_ADDRESS: '', TEMPORAL_NAMESPACE: '', TEMPORAL_UI: '' } })).toEqual({
      address: 'file:1',
      namespace: 'of-file',
      uiUrl: null,
      from: 'retempo.yaml',
    });
    expect(await find({ config: null })).toMatchObject({ address: '127.0.0.1:7233', namespace: 'default' });
  });

  it('has an address with a port', () => {
    for (const right of ['[::1]:7233', 'temporal.example:443', '10.0.0.1:1'])
      expect(checkedAddress(right, '--address')).toBe(right);
    for (const wrong of ['temporal', ':7233', 'a:0', 'a:65536', 'http://a:1', 'a:1/x', 'a b:1'])
      expect(() => checkedAddress(wrong, 'TEMPORAL_ADDRESS'), wrong).toThrow('TEMPORAL_ADDRESS: expected host:port');
  });

  it('is given what the file says of credentials, unless it is the dev server', () => {
    const given = { apiKey: 'secret:key', tls: null };
    for (const from of ['option', 'environment', 'retempo.yaml'] as const)
      expect(credentialsFor({ from }, temporal)).toEqual(given);
    expect(credentialsFor({ from: 'dev server' }, temporal)).toEqual({ apiKey: null, tls: null });
  });

  it('has a page for each workflow where a Web UI is known', () => {
    const place = { uiUrl: 'http://ui', namespace: 'n' };
    expect(workflowUrl(place, 'retempo/m')).toBe('http://ui/namespaces/n/workflows/retempo%2Fm');
    expect(workflowUrl(place, 'retempo/m', 'r')).toBe('http://ui/namespaces/n/workflows/retempo%2Fm/r');
    expect(workflowUrl({ ...place, uiUrl: null }, 'retempo/m')).toBeNull();
  });
});
