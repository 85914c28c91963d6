import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Call } from '@retempo/activities/ports';
import { identityOf, isAlive } from '@retempo/activities/processes';
import { createOnpremServing } from './onprem-serving.js';

const newCall = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });

describe('the end of an endpoint', () => {
  const root = mkdtempSync(join(tmpdir(), 'retempo-ends-'));
  const open = () =>
    createOnpremServing({ id: 'onprem.test', root, context: { materialize: () => Promise.resolve() } });
  const sites = [open(), open()] as const;

  afterEach(async () => {
    for (const site of sites) {
      await site.stop('flights');
      site.close();
    }
    rmSync(root, { recursive: true, force: true });
  });

  it('stays stopped when its router had just been killed, and leaves nothing once it is removed', async () => {
    const [site, other] = sites;
    expect(site.leftOf('flights')).toBe('nothing');
    const { pid } = await site.ensureRouter('flights', newCall());
    const router = identityOf(pid);
    expect(site.leftOf('flights')).toBe('running');
    // Nobody watches while it dies, as after the death of a whole machine.
    for (const one of sites) one.close();
    process.kill(pid, 'SIGKILL');
    const isGone = () => router === null || !isAlive(router);
    while (!isGone()) await new Promise((resolve) => setTimeout(resolve, 10));
    // Whoever watches brings it back: it is not stopped yet.
    expect(other.leftOf('flights')).toBe('died');
    await other.stop('flights');
    expect(site.leftOf('flights')).toBe('files');
    await site.remove('flights');
    expect(site.leftOf('flights')).toBe('nothing');
  });
});
