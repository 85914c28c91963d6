import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isAlive, type ProcessIdentity } from '@retempo/activities/processes';
import { openCounters } from './counters.js';
import { lifeOf, programPath, routerFiles } from './layout.js';
import { startRouter } from './router.js';
import { endpoint, good, newCall, openSite } from './serving-site.test.support.js';
import { logisticRequest } from './tiny-model.test.support.js';
import { openUnitCounts } from './unit-counts.js';

afterEach(() => vi.useRealTimers());

describe('a router that is stopped', () => {
  it('has written down every request that it has answered, has ended its servers and leaves nothing open', async () => {
    const site = openSite({ stickiness: { by: 'id' } });
    await site.deployReady('v1', good);
    const revision = await site.weights({ v1: 100 });
    await site.stop(endpoint);
    const files = routerFiles(join(site.root, endpoint));
    // Nothing is written in between: this clock stands still.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const router = await startRouter(files.folder, lifeOf(site.process()), () => undefined);
    const ids = Array.from({ length: 20 }, (_, i) => `unit-${i}`);
    let servers: readonly ProcessIdentity[];
    try {
      await site.until((state) => state.versions['v1']?.ready === 1);
      const answers = await Promise.all(ids.map((id) => site.infer(logisticRequest(id, [[1, 0]]))));
      expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
      ({ servers } = site.process());
    } finally {
      await router.stop();
    }
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    expect([servers.length, servers.some(isAlive), site.process().stopped]).toEqual([1, false, true]);
    for (const port of [router.dataPort, router.adminPort])
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed');
    const lines = readdirSync(files.requestLog).flatMap((name) =>
      readFileSync(join(files.requestLog, name), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    );
    expect(lines.map((line) => (JSON.parse(line) as { key: string }).key).sort()).toEqual(ids.toSorted());
    const number = Number(revision.slice(1));
    expect(openCounters(files.counters).total(number)).toBe(20);
    expect(openUnitCounts(files.units).read(['v1'], [number])).toEqual({ units: { v1: 20 }, mixed: 0 });
  });
});

it.each(['SIGTERM', 'SIGINT'] as const)('a router that gets %s ends in order, and says so', async (signal) => {
  const site = openSite();
  const { pid } = await site.ensureRouter(endpoint, newCall());
  // Nobody brings it back.
  site.close();
  const { process: router } = site.process();
  process.kill(pid, signal);
  while (isAlive(router)) await sleep(20);
  expect(site.process()).toMatchObject({ process: router, stopped: true });
});

describe('a router that is started by hand', () => {
  it('says what it needs, and that a site starts it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'retempo-by-hand-'));
    const start = (...words: readonly string[]) => {
      const { status, stderr } = spawnSync(process.execPath, [programPath('router-main'), ...words], {
        encoding: 'utf8',
        timeout: 60_000,
      });
      return [status, stderr] as const;
    };
    try {
      mkdirSync(join(folder, 'flights'));
      const said =
        /router cannot start: .*config\.json is missing: a router is started by its site, which writes it\n$/;
      expect(start(`--state=${folder}/flights`, '--after=none')).toEqual([1, expect.stringMatching(said)]);
      expect(readdirSync(join(folder, 'flights'))).toEqual([]);
      const usage = expect.stringContaining('usage: router-main --state <folder> --after <life>') as string;
      expect(start(`--state=${folder}/flights`)).toEqual([1, usage]);
      expect(start('--after=none')).toEqual([1, usage]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says with its exit code and in its log that it could not write down its end, and is gone all the same', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retempo-no-end-'));
    const files = routerFiles(folder);
    writeFileSync(files.config, JSON.stringify({ v: 1, endpoint }));
    const router = spawn(process.execPath, [programPath('router-main'), `--state=${folder}`, '--after=none'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      let said = '';
      router.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      while (!said.includes('router ready')) await once(router.stderr, 'data');
      rmSync(files.process);
      mkdirSync(join(files.process, 'in the way'), { recursive: true });
      const ended = once(router, 'close');
      router.kill('SIGTERM');
      expect(await ended).toEqual([1, null]);
      expect(said).toMatch(/ router stops\n.* stopping failed: Error: E.*router\.json'?\n$/);
    } finally {
      router.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
