import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { isAlive } from '@retempo/activities/processes';
import { endpoint, newCall, openSite, type Site } from './serving-site.test.support.js';

const { execPath } = process;
const read = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
};
/** Processes that were started with this word and have not ended. */
const programsOf = (word: string): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => read(pid, 'cmdline').split('\0').includes(word));
/** Those that this process began: what they begin themselves has their words until it is another program. */
const begunHere = (word: string): readonly number[] =>
  programsOf(word).filter((pid) => read(pid, 'stat').split(') ').at(-1)?.split(' ')[1] === String(process.pid));
const routersOf = (site: Site): readonly number[] => programsOf(`--state=${join(site.root, endpoint)}`);

afterEach(() => {
  process.execPath = execPath;
  vi.useRealTimers();
});

it.each<[what: string, again: (site: Site) => Promise<unknown>]>([
  ['its address', (site) => site.endpointUrl(endpoint, newCall())],
  ['its state', (site) => site.serving.describe(endpoint, newCall())],
])(
  'a router that was stopped and is wanted again by %s is watched over again, until it can be started',
  async (_what, again) => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    await again(site);
    const { process: before } = site.process();
    expect(isAlive(before)).toBe(true);
    // For a while no program can be started here.
    const tries = join(site.root, 'tries');
    const refusing = join(site.root, 'refusing');
    writeFileSync(refusing, `#!/bin/sh\necho >> ${tries}\nexit 1\n`, { mode: 0o700 });
    process.execPath = refusing;
    process.kill(before.pid, 'SIGKILL');
    while (!existsSync(tries) || readFileSync(tries).length < 2) await sleep(20);
    process.execPath = execPath;
    while (site.leftOf(endpoint) !== 'running') await sleep(20);
    expect(site.process().process).not.toEqual(before);
  }
);

it('a router that takes long to come back is started once, however often it is looked for, and again when that failed', async () => {
  // Looks come when the test says so.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const site = openSite();
  await site.ensureRouter(endpoint, newCall());
  const { process: before } = site.process();
  process.kill(before.pid, 'SIGKILL');
  while (isAlive(before)) await sleep(20);
  const slow = join(site.root, 'slow');
  const goOn = join(site.root, 'go-on');
  const loop = `while [ -e ${slow} ] && [ ! -e ${goOn} ]; do sleep 0.02; done`;
  writeFileSync(slow, `#!/bin/sh\n${loop}\nexit 1\n`, { mode: 0o700 });
  process.execPath = slow;
  for (let looks = 0; looks < 3; looks++) vi.advanceTimersByTime(1_000);
  const started = begunHere(slow).length;
  process.execPath = execPath;
  writeFileSync(goOn, '');
  expect(started).toBe(1);
  while (site.leftOf(endpoint) !== 'running') {
    vi.advanceTimersByTime(1_000);
    await sleep(20);
  }
  expect(site.process().process).not.toEqual(before);
});

it('only a router that died is started again: not one that runs, that was stopped, or that never was', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const site = openSite();
  // Another worker of the same place.
  const other = openSite({}, site.root);
  const look = () => vi.advanceTimersByTime(1_000);
  mkdirSync(join(site.root, endpoint));
  look();
  expect(routersOf(site)).toEqual([]);
  const { pid } = await site.ensureRouter(endpoint, newCall());
  look();
  expect(routersOf(site)).toEqual([pid]);
  await other.stop(endpoint);
  look();
  expect(routersOf(site)).toEqual([]);
  expect(site.leftOf(endpoint)).toBe('files');
});

it('a router that dies while it is stopped is not started again by the worker that stops it', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const site = openSite();
  await site.ensureRouter(endpoint, newCall());
  const { process: router } = site.process();
  process.kill(router.pid, 'SIGSTOP');
  const stopped = site.stop(endpoint);
  process.kill(router.pid, 'SIGKILL');
  // Nothing else happens here before the look: whoever stops it has not seen yet that it is gone.
  while (isAlive(router)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  expect(site.leftOf(endpoint)).toBe('died');
  vi.advanceTimersByTime(1_000);
  expect(routersOf(site).filter((pid) => pid !== router.pid)).toEqual([]);
  await stopped;
  expect(site.process()).toMatchObject({ process: router, stopped: true });
});

it('looking for routers that died keeps no program alive', () => {
  const built = new URL('../dist/serving/onprem-serving.js', import.meta.url).href;
  const root = mkdtempSync(join(tmpdir(), 'retempo-watch-'));
  const code = `import { createOnpremServing } from '${built}';
    const context = { materialize: async () => undefined };
    createOnpremServing({ id: 'onprem.test', root: ${JSON.stringify(root)}, context });
    console.log('opened');`;
  try {
    const { status, stdout } = spawnSync(execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect([status, stdout]).toEqual([0, 'opened\n']);
  } finally {
    rmSync(root, { recursive: true });
  }
});
