import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { isAlive } from '@retempo/activities/processes';
import { endpoint, newCall, openSite, type Site } from './serving-site.test.support.js';

const { execPath } = process;
/** How many processes that this one began run this program now: what they begin themselves runs it too until it is another. */
const programsOf = (path: string): number =>
  readdirSync('/proc').filter((pid) => {
    try {
      const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return parent === String(process.pid) && words.includes(path);
    } catch {
      return false;
    }
  }).length;

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
  const started = programsOf(slow);
  process.execPath = execPath;
  writeFileSync(goOn, '');
  expect(started).toBe(1);
  while (site.leftOf(endpoint) !== 'running') {
    vi.advanceTimersByTime(1_000);
    await sleep(20);
  }
  expect(site.process().process).not.toEqual(before);
});
