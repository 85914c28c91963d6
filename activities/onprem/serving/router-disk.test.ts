import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isAlive } from '@retempo/activities/processes';
import { routerFiles, type RouterFiles } from './layout.js';
import { endpoint, good, newCall, openSite, same, type Site } from './serving-site.test.support.js';
import { logisticRequest } from './tiny-model.test.support.js';

// A router whose disk takes or gives nothing any more goes on, says so, and makes up for it when the disk is well again.

const filesOf = (site: Site): RouterFiles => routerFiles(join(site.root, endpoint));
const body = logisticRequest('a', [[1, 0]]);

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 3_000; i++) {
    if (holds()) return;
    await sleep(20);
  }
  throw new Error(`never came: ${what}`);
}

/** Puts something else in the place of a file or folder; the result puts it back. */
function replaceBy(path: string, other: (path: string) => void): () => void {
  const away = join(dirname(path), `.away-${basename(path)}`);
  renameSync(path, away);
  other(path);
  return () => {
    rmSync(path, { recursive: true });
    renameSync(away, path);
  };
}
const folder = (path: string): void => void mkdirSync(join(path, 'in the way'), { recursive: true });
const file = (path: string): void => writeFileSync(path, '');

async function serving(): Promise<Site> {
  const site = openSite();
  await site.deployReady('v1', good);
  await site.weights({ v1: 100 });
  return site;
}

const said = (site: Site) => readFileSync(filesOf(site).routerLog, 'utf8');

describe('router whose disk fails', () => {
  it('counts on in memory, and writes the counts when it can', async () => {
    const site = await serving();
    const { process: router } = site.process();
    const { counters } = filesOf(site);
    const putBack = replaceBy(counters, file);
    expect((await site.infer(body)).status).toBe(200);
    await until('a word about it', () => said(site).includes('counters: '));
    const { adminPort, token } = site.process();
    const state = await fetch(`http://127.0.0.1:${adminPort}/endpoint`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await state.json()).toMatchObject({ problem: expect.stringContaining('counters: ') as string });
    expect((await site.infer(body)).status).toBe(200);
    // What a crash could take back is not told, which is not told as 0 either.
    const reading = () => site.metrics.readArms({ endpoint, versions: ['v1'], revisions: ['r1'] }, newCall());
    const told = await reading().catch((error: unknown) => error);
    expect(told).toMatchObject({ class: 'ServiceFault' });
    expect((told as Error).message).toMatch(/ENOTDIR.*not told; make .*counters and .*units take files again/);
    putBack();
    expect((await reading()).arms['v1']?.requests).toBe(2);
    await until('the counts', () => readdirSync(counters).includes('r1.json'));
    expect(readFileSync(join(counters, 'r1.json'), 'utf8')).toContain('"requests":2,');
    expect(isAlive(router)).toBe(true);
  });

  it('starts a model server again although it cannot write down which one', async () => {
    const site = await serving();
    const { dataPort, servers } = site.process();
    const putBack = replaceBy(filesOf(site).process, folder);
    for (const { pid } of servers) process.kill(pid, 'SIGKILL');
    await until('the end of the server', () => !servers.some(isAlive));
    const url = `http://127.0.0.1:${dataPort}/v2/models/${endpoint}/infer`;
    let status = 0;
    for (let i = 0; i < 1_000 && status !== 200; i++) {
      status = (await fetch(url, { method: 'POST', body })).status;
      await sleep(20);
    }
    expect(status).toBe(200);
    expect(said(site)).toContain('router.json: E');
    putBack();
  });

  it('retires a version whose folder cannot be removed, says so, and goes on', async () => {
    const site = await serving();
    await site.deployReady('v2', same);
    const { process: router } = site.process();
    const putBack = replaceBy(filesOf(site).versions, file);
    await site.serving.retire({ key: 'k', endpoint, version: 'v2', epoch: 1 }, newCall());
    const state = await site.until(({ busy }) => !busy);
    expect(Object.keys(state.versions)).toEqual(['v1']);
    expect(said(site)).toContain('retiring v2: ENOTDIR');
    expect((await site.infer(body)).status).toBe(200);
    expect(site.process().process).toEqual(router);
    putBack();
  });

  it('ends in order when it is told to, although the last counts cannot be written', async () => {
    const site = await serving();
    // Nobody brings it back.
    site.close();
    const { process: router, servers } = site.process();
    const putBack = replaceBy(filesOf(site).counters, file);
    expect((await site.infer(body)).status).toBe(200);
    process.kill(router.pid, 'SIGTERM');
    await until('its end', () => !isAlive(router));
    expect([servers.length, servers.some(isAlive), site.process().stopped]).toEqual([1, false, true]);
    expect(said(site)).not.toContain('stopping failed');
    putBack();
  });

  it('says of a change that it could not be stored, and what to do', async () => {
    const site = await serving();
    const { adminPort, token } = site.process();
    const putBack = replaceBy(filesOf(site).record, folder);
    const answer = await fetch(`http://127.0.0.1:${adminPort}/traffic`, {
      method: 'POST',
      body: JSON.stringify({ weights: { v1: 100 }, ifRevision: 'r1', epoch: 2 }),
      headers: { authorization: `Bearer ${token}` },
    });
    const { error } = (await answer.json()) as { readonly error: { readonly class: string; readonly message: string } };
    expect([answer.status, error.class]).toEqual([500, 'ServiceFault']);
    expect(error.message).toContain('read the state back');
    putBack();
    expect(await site.serving.describe(endpoint, newCall())).toMatchObject({ epoch: 1, revision: 'r1' });
  });
});

describe('worker whose disk fails', () => {
  afterEach(() => void vi.useRealTimers());

  it('lives on when it cannot see whether routers have died', () => {
    vi.useFakeTimers();
    const site = openSite();
    const { folder: own, process: state } = filesOf(site);
    mkdirSync(own);
    writeFileSync(state, 'no JSON');
    expect(() => site.leftOf(endpoint)).toThrow('JSON');
    const looks = () => vi.advanceTimersByTime(60_000);
    expect(looks).not.toThrow();
    rmSync(site.root, { recursive: true });
    expect(looks).not.toThrow();
  });
});

describe('request log of a router', () => {
  it('is there from the first moment on, is cut at the wanted size, and keeps as much as is wanted', async () => {
    const site = openSite({ logRotateBytes: 2_000, logKeepBytes: 6_000 });
    await site.ensureRouter(endpoint, newCall());
    const { requestLog } = filesOf(site);
    const sizes = () => readdirSync(requestLog).map((name) => statSync(join(requestLog, name)).size);
    expect(sizes()).toEqual([0]);
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    for (let i = 0; i < 100; i++) {
      expect((await site.infer(body)).status).toBe(200);
      if (i % 10 === 9) await site.metrics.requestLog(endpoint, newCall());
    }
    expect(sizes().length).toBeGreaterThan(1);
    expect(sizes().reduce((sum, size) => sum + size, 0)).toBeLessThan(10_000);
  });
});
