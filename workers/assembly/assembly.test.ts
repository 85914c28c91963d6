import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Client } from '@temporalio/client';
import { createFileStore } from '@retempo/activities';
import type { Provider, Site } from '@retempo/activities/ports';
import { siteRoles } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveConfig } from '../configuration/config.js';
import { installationOf, openInstallation } from './open-installation.js';
import { environmentSecrets, secretVariable } from './secrets.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-assembly-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A provider whose sites can do nothing, and that remembers which are open. */
function bareProvider(open: string[], more: Partial<Site> = {}): Provider {
  return {
    name: 'bare',
    checkConfig: () => [],
    site: ({ id }) => {
      if (id.endsWith('.broken')) return Promise.reject(new Error(`${id} is broken`));
      open.push(id);
      const close = () => {
        open.splice(open.indexOf(id), 1);
        return Promise.resolve();
      };
      return Promise.resolve({ id, pools: [], probe: () => Promise.resolve([]), close, ...more });
    },
  };
}

const projectOf = (sites: readonly string[], more: object = {}) => ({
  config: resolveConfig(
    { sites: Object.fromEntries(sites.map((id) => [id, {}])), ...more },
    { folder, defaultSite: 'bare.local' }
  ),
});

describe('openInstallation', () => {
  it('opens the sites that are wanted, in order, and closes them', async () => {
    const open: string[] = [];
    const project = projectOf(['bare.a', 'bare.b']);
    const all = await openInstallation({ project, providers: [bareProvider(open)] });
    expect(open).toEqual(['bare.a', 'bare.b']);
    await all.close();
    expect(open).toEqual([]);
    const one = await openInstallation({ project, providers: [bareProvider(open)], sites: ['bare.b'] });
    expect(one.sites.map(({ id }) => id)).toEqual(['bare.b']);
    await one.close();
  });

  it('closes what is open when a later site cannot be opened', async () => {
    const open: string[] = [];
    const opening = openInstallation({
      project: projectOf(['bare.a', 'bare.broken']),
      providers: [bareProvider(open)],
    });
    await expect(opening).rejects.toThrow('bare.broken is broken');
    expect(open).toEqual([]);
  });

  it('names the providers it knows when one is missing', async () => {
    const opening = openInstallation({ project: projectOf(['other.a']), providers: [bareProvider([])] });
    await expect(opening).rejects.toThrow('no provider for other.a; known: bare');
  });

  it('makes the default store, but never one that was named: it may be a disk that is not mounted', async () => {
    const opened = await openInstallation({ project: projectOf(['bare.a']), providers: [bareProvider([])] });
    expect(opened.store.root).toBe(pathToFileURL(`${folder}/.retempo/artifacts/`).href);
    expect(await readdir(join(folder, '.retempo'))).toEqual(['artifacts']);
    const call = { signal: AbortSignal.timeout(5_000), deadlineMs: Date.now() + 5_000 };
    // Beside the state folder is not in it, also when the name begins alike.
    for (const name of ['mnt', '.retempo-disk']) {
      const named = await openInstallation({
        project: projectOf(['bare.a'], { artifacts: join(folder, name) }),
        providers: [bareProvider([])],
      });
      await expect(named.store.put('a', new Uint8Array(1), { ifAbsent: true }, call)).rejects.toMatchObject({
        class: 'ServiceFault',
      });
    }
    expect(await readdir(folder)).toEqual(['.retempo']);
  });

  it('gives a site only the activities that its backends can carry out', async () => {
    const opened = await openInstallation({ project: projectOf(['bare.a']), providers: [bareProvider([])] });
    const [site] = opened.sites;
    const activities = opened.activities({ client: {} as Client });
    expect(Object.keys(activities.control)).toEqual(
      expect.arrayContaining(['loadGovernor', 'evaluateGate', 'findCheckpoint'])
    );
    const names = siteRoles.map((role) =>
      Object.keys(site === undefined ? {} : activities.site(site, role)).toSorted()
    );
    expect(names).toEqual([[], [], [], ['checkWindows', 'snapshotData']]);
  });
});

describe('what a site is given and gives', () => {
  it('its own entry, an empty one where the file names only the site, and how to get secrets', async () => {
    const asked: object[] = [];
    const provider: Provider = {
      ...bareProvider([]),
      site: async (input) => {
        asked.push({ config: input.config, secret: await input.context.secret('token') });
        return { id: input.id, pools: [], probe: () => Promise.resolve([]), close: () => Promise.resolve() };
      },
    };
    const config = resolveConfig(
      { sites: { 'bare.a': { root: 'x' }, 'bare.b': null } },
      { folder, defaultSite: 'bare.local' }
    );
    const opened = await openInstallation({
      project: { config },
      providers: [provider],
      secret: (name) => Promise.resolve(`value of ${name}`),
    });
    await opened.close();
    expect(asked).toEqual([
      { config: { root: 'x' }, secret: 'value of token' },
      { config: {}, secret: 'value of token' },
    ]);
  });

  it("artifacts in its own store are found, as are the installation's", async () => {
    const store = createFileStore({ root: join(folder, 'own') });
    const opened = await openInstallation({
      project: projectOf(['bare.a']),
      providers: [bareProvider([], { store })],
    });
    expect(opened.stores.resolve(`${store.root}a`).store).toBe(store);
    expect(opened.stores.resolve(`${opened.store.root}a`).store).toBe(opened.store);
    await opened.close();
  });

  it.each<[string, Partial<Record<'jobs' | 'serving' | 'metrics', object>>, readonly (readonly string[])[]]>([
    [
      'jobs',
      { jobs: {} },
      [['reapJobs', 'stopJob', 'submitJob'], ['awaitJob'], [], ['checkWindows', 'collectOutput', 'snapshotData']],
    ],
    ['serving that cannot be measured', { serving: {} }, [[], [], [], ['checkWindows', 'snapshotData']]],
    ['metrics of nothing', { metrics: {} }, [[], [], [], ['checkWindows', 'snapshotData']]],
  ])('with %s each queue has the activities that it is for, and no other', async (_what, backends, expected) => {
    const opened = await openInstallation({
      project: projectOf(['bare.a']),
      providers: [bareProvider([], backends as Partial<Site>)],
    });
    const activities = opened.activities({ client: {} as Client });
    const names = siteRoles.map((role) => Object.keys(activities.site(opened.sites[0] as Site, role)).toSorted());
    expect(names).toEqual(expected);
    await opened.close();
  });

  it('with serving and metrics its queue of serving has activities', async () => {
    const backends = { serving: {}, metrics: {} } as Partial<Site>;
    const opened = await openInstallation({ project: projectOf(['bare.a']), providers: [bareProvider([], backends)] });
    const activities = opened.activities({ client: {} as Client });
    expect(Object.keys(activities.site(opened.sites[0] as Site, 'serving')).length).toBeGreaterThan(3);
    await opened.close();
  });
});

describe('installationOf', () => {
  it('tells workflows the limits under their own names', () => {
    const { config } = projectOf(['bare.a'], { owner: 'team', limits: { heartbeat: 5_000, noWorkerAfter: 7_000 } });
    expect(installationOf(config)).toMatchObject({ owner: 'team', limits: { heartbeatMs: 5_000, noWorkerMs: 7_000 } });
  });
});

describe('environmentSecrets', () => {
  it('reads the variable of a secret, and names it when it is not set', async () => {
    expect(secretVariable('warehouse-token.v2')).toBe('RETEMPO_SECRET_WAREHOUSE_TOKEN_V2');
    const secret = environmentSecrets({ RETEMPO_SECRET_A: 'x', RETEMPO_SECRET_B: '' });
    await expect(secret('a')).resolves.toBe('x');
    await expect(secret('b')).rejects.toMatchObject({ class: 'AuthDenied' });
    await expect(secret('c')).rejects.toThrow('set the environment variable RETEMPO_SECRET_C');
  });
});
