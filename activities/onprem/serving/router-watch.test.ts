import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { isAlive } from '@retempo/activities/processes';
import { endpoint, newCall, openSite, type Site } from './serving-site.test.support.js';

const { execPath } = process;
afterEach(() => {
  process.execPath = execPath;
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
