import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { identityOf, isAlive, type ProcessIdentity, signalProcess } from '@retempo/activities/processes';
import { emptyRecord } from './endpoint-record.js';
import { routerFiles, type RouterFiles } from './layout.js';
import { endpoint, newCall, openSite, type Site } from './serving-site.test.support.js';

const filesOf = (site: Site): RouterFiles => routerFiles(join(site.root, endpoint));

/** What the kernel has in a list that may change meanwhile. */
const eachOf = <T>(folder: string, look: (name: string) => T): readonly T[] =>
  readdirSync(folder).flatMap((name) => {
    try {
      return [look(name)];
    } catch {
      return [];
    }
  });

/** Router processes on the folder of a site. */
const routersOf = (site: Site): readonly number[] =>
  eachOf('/proc', (pid) => ({ pid, words: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') }))
    .filter(({ words }) => words.includes(`--state=${filesOf(site).folder}`))
    .map(({ pid }) => Number(pid));

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (let i = 0; i < 3_000; i++) {
    const found = look();
    if (found !== undefined) return found;
    await sleep(20);
  }
  throw new Error(`never came: ${what}`);
}

/** The stored endpoint is a pipe: a router comes no further than here until somebody writes it. */
function holdUp(site: Site): { readonly letGo: () => void } {
  const { folder, record } = filesOf(site);
  mkdirSync(folder, { recursive: true });
  execFileSync('sh', ['-c', 'mkfifo "$0"', record]);
  return { letGo: () => writeFileSync(record, JSON.stringify(emptyRecord(endpoint))) };
}

const node = process.execPath;
afterEach(() => {
  process.execPath = node;
});

describe('start of a router', () => {
  it('is waited for until the time of the call is over, or its caller gives up; who calls next finds it', async () => {
    const site = openSite();
    const { letGo } = holdUp(site);
    const signal = new AbortController().signal;
    await expect(site.ensureRouter(endpoint, { signal, deadlineMs: Date.now() + 1_000 })).rejects.toMatchObject({
      class: 'ServiceFault',
      message: expect.stringContaining('did not start in time') as string,
    });
    const [first] = routersOf(site);
    await expect(site.ensureRouter(endpoint, { ...newCall(), signal: AbortSignal.timeout(100) })).rejects.toMatchObject(
      { class: 'Cancelled', message: expect.stringContaining('repeat the call') as string }
    );
    const others = () => routersOf(site).filter((pid) => pid !== first).length;
    await until('the end of what nobody waits for', () => (others() === 0 ? true : undefined));
    // It finds that another one is on its way, and looks again until that one is there.
    const next = site.ensureRouter(endpoint, newCall());
    await until('one more', () => (others() === 1 ? true : undefined));
    await until('its end', () => (others() === 0 ? true : undefined));
    letGo();
    expect((await next).pid).toBe(first);
  });

  it('leaves the log of the router to the router', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    const { routerLog } = filesOf(site);
    await until('a word of it', () => (readFileSync(routerLog, 'utf8').includes('router ready') ? true : undefined));
    expect(eachOf('/proc/self/fd', (fd) => readlinkSync(`/proc/self/fd/${fd}`))).not.toContain(routerLog);
  });

  it('that fails is told with the reason, which is not what another router wrote', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    const { record, logs } = filesOf(site);
    const failed = (reason: string) => ({ class: 'ServiceFault', message: expect.stringContaining(reason) as string });

    process.execPath = join(site.root, 'no-node');
    await expect(site.ensureRouter(endpoint, newCall())).rejects.toMatchObject(failed('cannot run: spawn'));
    process.execPath = node;

    rmSync(record);
    holdUp(site);
    const killed = site.ensureRouter(endpoint, newCall());
    const pid = await until('the router', () => routersOf(site)[0]);
    // An operator who clears the logs meanwhile is no reason to say something else.
    rmSync(logs, { recursive: true });
    process.kill(pid, 'SIGKILL');
    await expect(killed).rejects.toMatchObject(failed('cannot run: it ended with SIGKILL, without a word in'));

    rmSync(record);
    writeFileSync(record, 'no record');
    await expect(site.ensureRouter(endpoint, newCall())).rejects.toMatchObject(failed('is not valid JSON'));
  });
});

describe('a router whose router.json was damaged', () => {
  it.each(['', '{"v":1,'])('is told by name, with what to do about it, and that works: %j', async (text) => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    const { process: router } = site.process();
    const path = filesOf(site).process;
    writeFileSync(path, text);
    const told = await site.serving.describe(endpoint, newCall()).catch((error: unknown) => error);
    expect(told).toMatchObject({ class: 'ServiceFault' });
    const { message } = told as Error;
    for (const word of [path, `end the one on ${filesOf(site).folder}`, 'remove the file', 'repeat the call'])
      expect(message).toContain(word);
    signalProcess(router, 'SIGTERM');
    await until('its end', () => (isAlive(router) ? undefined : true));
    rmSync(path);
    expect(await site.serving.describe(endpoint, newCall())).toMatchObject({ revision: 'r0' });
    expect(site.process().process).not.toEqual(router);
  });
});

/** A process that is no router. */
async function other(): Promise<ProcessIdentity> {
  const child = spawn('sleep', ['1000']);
  await once(child, 'spawn');
  const identity = identityOf(Number(child.pid));
  if (identity === null) throw new Error('no process');
  return identity;
}

describe('end of a router', () => {
  it('is what it has said, although its process is there still', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    const ending = await other();
    writeFileSync(filesOf(site).process, JSON.stringify({ ...site.process(), process: ending }));
    expect(site.leftOf(endpoint)).toBe('files');
    await site.stop(endpoint);
    expect(signalProcess(ending, 'SIGCONT')).toBe(true);
    expect((await site.ensureRouter(endpoint, newCall())).pid).not.toBe(ending.pid);
    signalProcess(ending, 'SIGKILL');
  });

  it('comes also to the one that is just being started again', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    const { process: before } = site.process();
    rmSync(filesOf(site).record);
    const { letGo } = holdUp(site);
    signalProcess(before, 'SIGKILL');
    await until('the next one', () => routersOf(site).find((pid) => pid !== before.pid));
    const stopping = site.stop(endpoint);
    letGo();
    await stopping;
    expect(routersOf(site)).toEqual([]);
    expect(site.process().stopped).toBe(true);
  });

  it('by force is none of the router that another worker has started since', async () => {
    const site = openSite({ requestTimeoutMs: 1 });
    await site.ensureRouter(endpoint, newCall());
    site.close();
    const before = site.process();
    const identity = await other();
    process.kill(before.process.pid, 'SIGSTOP');
    const stopping = site.stop(endpoint);
    // By now it has been told to end, and is waited for.
    await sleep(1);
    writeFileSync(filesOf(site).process, JSON.stringify({ ...before, process: identity }));
    await stopping;
    expect(isAlive(before.process)).toBe(false);
    expect(site.process()).toMatchObject({ process: identity, stopped: false });
    expect(site.leftOf(endpoint)).toBe('running');
  });
});

describe('a reading', () => {
  it('is asked of the next router when the one it was sent to dies, and waits for the end of none that lives', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    site.close();
    const silent = await other();
    let dies = false;
    const port = createServer((socket) => {
      if (dies) signalProcess(silent, 'SIGKILL');
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(port, 'listening');
    const { port: adminPort } = port.address() as AddressInfo;
    const found = { ...site.process(), process: silent, adminPort, stopped: false };
    writeFileSync(filesOf(site).process, JSON.stringify(found));
    await expect(site.serving.describe(endpoint, newCall())).rejects.toMatchObject({ class: 'ServiceFault' });
    dies = true;
    expect(await site.serving.describe(endpoint, newCall())).toMatchObject({ revision: 'r0' });
    expect(site.process().process.pid).not.toBe(silent.pid);
    port.close();
  });
});
