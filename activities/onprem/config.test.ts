import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from './config.js';
import { onprem } from './index.js';

const stateFolder = mkdtempSync(`${tmpdir()}/retempo-onprem-`);
afterAll(() => rmSync(stateFolder, { recursive: true, force: true }));

describe('configuration of a local site', () => {
  it.each([undefined, null, {}])('everything has a default: %s', (value) => {
    const { config, problems } = readConfig(value);
    expect(problems).toEqual([]);
    expect(config).toEqual({
      root: null,
      pools: [{ name: 'cpu', slots: 2 }],
      stopGraceMs: 30_000,
      keepJobsMs: 604_800_000,
      endpoints: {},
    });
  });

  it('is read whole', () => {
    const { config, problems } = readConfig({
      root: '/srv/site',
      pools: { cpu: { slots: 4 }, h100: { slots: 1 } },
      stopGrace: '1.5m',
      keepJobs: '36h',
      endpoints: {
        'flight-delay': { dataPort: 8500, requestTimeout: '1.5s', logRotateAt: '10MB', logKeep: '1.5 GiB' },
      },
    });
    expect(problems).toEqual([]);
    expect(config).toEqual({
      root: '/srv/site',
      pools: [
        { name: 'cpu', slots: 4 },
        { name: 'h100', slots: 1 },
      ],
      stopGraceMs: 90_000,
      keepJobsMs: 129_600_000,
      endpoints: {
        'flight-delay': {
          dataPort: 8500,
          requestTimeoutMs: 1_500,
          logRotateBytes: 10_000_000,
          logKeepBytes: 1.5 * 1024 ** 3,
        },
      },
    });
  });

  it('an option of an endpoint that is undefined is one that is not given, and bytes may be counted one by one', () => {
    const { config, problems } = readConfig({
      endpoints: { f: { requestTimeout: undefined, logRotateAt: '2048B', logKeep: '2048 B' } },
    });
    expect(problems).toEqual([]);
    expect(config.endpoints['f']).toStrictEqual({ logRotateBytes: 2048, logKeepBytes: 2048 });
  });

  it.each(['east', 'sites/east', './a/../b', '..east', '/srv/../srv/east'])('takes the root %s', (root) => {
    expect(readConfig({ root })).toMatchObject({ config: { root }, problems: [] });
  });

  it.each<[unknown, string, RegExp]>([
    ['text', '', /mapping/],
    [{ root: 7 }, 'root', /folder/],
    [{ root: 'a\0b' }, 'root', /folder/],
    [{ root: ' ' }, 'root', /folder/],
    [{ root: null }, 'root', /folder, got null/],
    [{ root: 'x'.repeat(1025) }, 'root', /^expected a folder, got "x{59}$/],
    [{ root: '../x' }, 'root', /inside the state folder, got "\.\.\/x"; .*absolute path/],
    [{ root: 'a/../../x' }, 'root', /inside the state folder/],
    [{ root: '..' }, 'root', /inside the state folder/],
    [{ pool: {} }, 'pool', /unknown key; expected one of root, pools/],
    [{ pools: {} }, 'pools', /at least one pool/],
    [{ pools: ['cpu'] }, 'pools', /mapping/],
    [{ pools: null }, 'pools', /mapping/],
    [{ pools: { CPU: { slots: 1 } } }, 'pools.CPU', /lower-case/],
    [{ pools: { cpu: {} } }, 'pools.cpu.slots', /whole number >= 1 .*got undefined/],
    [{ pools: { cpu: { slots: 'two' } } }, 'pools.cpu.slots', /whole number >= 1 .*got "two"/],
    [{ pools: { cpu: { slots: 0 } } }, 'pools.cpu.slots', /whole number/],
    [{ pools: { cpu: { slots: 1e12 } } }, 'pools.cpu.slots', /whole number .*<= \d+, got 1000000000000$/],
    [{ pools: { cpu: { slots: 1.5 } } }, 'pools.cpu.slots', /whole number/],
    [{ pools: { cpu: { slots: 1, gpus: 1 } } }, 'pools.cpu.gpus', /unknown key/],
    [{ stopGrace: 30 }, 'stopGrace', /duration such as 30s, at most 24h, got 30/],
    [{ stopGrace: ['30s'] }, 'stopGrace', /duration/],
    [{ stopGrace: '-1s' }, 'stopGrace', /duration/],
    [{ stopGrace: '90h' }, 'stopGrace', /at most 24h/],
    [{ keepJobs: 'a week' }, 'keepJobs', /duration such as 7d, at most 3660d, got "a week"/],
    [{ keepJobs: '-7d' }, 'keepJobs', /duration/],
    [{ keepJobs: '9999d' }, 'keepJobs', /at most 3660d/],
    [{ keepJobs: 7 }, 'keepJobs', /duration/],
    [{ endpoints: { 'Flight Delay': {} } }, 'endpoints.Flight Delay', /lower-case/],
    [{ endpoints: { f: { dataPort: 70_000 } } }, 'endpoints.f.dataPort', /port/],
    [
      { endpoints: { f: { nope: 1 } } },
      'endpoints.f.nope',
      /unknown key; expected one of dataPort.*, requestTimeout, logRotateAt, logKeep$/,
    ],
    [{ endpoints: { f: { requestTimeoutMs: 10 } } }, 'endpoints.f.requestTimeoutMs', /unknown key/],
    [{ endpoints: { f: { requestTimeout: 10 } } }, 'endpoints.f.requestTimeout', /duration such as 10s.*got 10/],
    [{ endpoints: { f: { requestTimeout: '0.1ms' } } }, 'endpoints.f.requestTimeout', /at least 1ms/],
    [{ endpoints: { f: { requestTimeout: '11m' } } }, 'endpoints.f.requestTimeout', /at most 10m/],
    [{ endpoints: { f: { logRotateBytes: 1 } } }, 'endpoints.f.logRotateBytes', /unknown key/],
    [{ endpoints: { f: { logRotateAt: 16_777_216 } } }, 'endpoints.f.logRotateAt', /size such as 16MiB.*got 16777216/],
    [{ endpoints: { f: { logRotateAt: ['16MiB'] } } }, 'endpoints.f.logRotateAt', /size such as 16MiB/],
    [{ endpoints: { f: { logRotateAt: '1023B' } } }, 'endpoints.f.logRotateAt', /at least 1KiB/],
    [{ endpoints: { f: { logKeep: '1025TiB' } } }, 'endpoints.f.logKeep', /at most 1024TiB/],
    [{ endpoints: { f: { constructor: 1 } } }, 'endpoints.f.constructor', /unknown key/],
    [{ endpoints: { f: { logKeep: '1MiB' } } }, 'endpoints.f.logKeep', /at least logRotateAt/],
    [{ endpoints: { f: { logRotateAt: '5GiB' } } }, 'endpoints.f.logRotateAt', /logKeep of at least logRotateAt/],
    [{ endpoints: { f: 8500 } }, 'endpoints.f', /mapping/],
  ])('%j: one clear problem at %s', (value, path, message) => {
    const problems = onprem().checkConfig(value);
    expect(problems.map((problem) => problem.path.join('.'))).toEqual([path]);
    expect(problems[0]?.message).toMatch(message);
  });

  it('all problems at once', () => {
    expect(readConfig({ root: 1, stopGrace: 'soon', pools: { cpu: { slots: -1 } } }).problems).toHaveLength(3);
  });
});

describe('local site', () => {
  const context = {
    stateFolder,
    materialize: () => Promise.resolve(),
    secret: () => Promise.resolve(''),
  };
  const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };

  it('opens below the state folder, can work, and leaves nothing of its probe behind', async () => {
    const site = await onprem().site({ id: 'onprem.east', config: {}, context });
    expect(site).toMatchObject({
      id: 'onprem.east',
      root: `${stateFolder}/onprem.east`,
      pools: [{ name: 'cpu', slots: 2 }],
    });
    expect(await site.probe(call)).toEqual([]);
    expect(readdirSync(site.root)).toEqual(['serving']);
    await site.close();
  });

  it('keeps what ended jobs leave for as long as its configuration says', async () => {
    const day = 86_400_000;
    const ages = { a: 8 * day, b: day };
    for (const [digit, age] of Object.entries(ages)) {
      const folder = `${stateFolder}/onprem.keeper/jobs/${digit.repeat(64)}`;
      mkdirSync(folder, { recursive: true });
      const intent = { key: digit.repeat(64), releaseId: 'r', owner: 'us', spec: { inputs: {} } };
      writeFileSync(`${folder}/job.json`, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt: '2026-01-01' }));
      const outcome = { result: 'succeeded', message: '', endedAt: new Date(Date.now() - age).toISOString() };
      writeFileSync(`${folder}/state.json`, JSON.stringify({ v: 1, phase: 'ended', outcome }));
    }
    const expired = async (config: object) => {
      const site = await onprem().site({ id: 'onprem.keeper', config, context });
      const found: string[] = [];
      for await (const { key } of site.jobs?.leftovers?.listExpired('us', call) ?? []) found.push(key.slice(0, 1));
      await site.close();
      return found;
    };
    expect(await expired({})).toEqual(['a']);
    expect(await expired({ keepJobs: '12h' })).toEqual(['a', 'b']);
    expect(await expired({ keepJobs: '9d' })).toEqual([]);
  });

  it('a wrong configuration rejects with every problem', async () => {
    const opening = onprem().site({ id: 'onprem.east', config: { root: 1, stopGrace: 2 }, context });
    await expect(opening).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(/sites\.onprem\.east\.root.*\n.*stopGrace/) as string,
    });
  });

  it('a folder that is none is a problem of the probe', async () => {
    const site = await onprem().site({ id: 'onprem.west', config: {}, context });
    rmSync(site.root, { recursive: true });
    writeFileSync(site.root, 'a file in the way');
    const problems = await site.probe(call);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]?.message).toMatch(/writable/);
    await site.close();
  });
});
