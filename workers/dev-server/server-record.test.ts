import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort, listenerOf, portIsFree, processStart } from './processes.js';
import { findDevServer, forgetDevServer, recordDevServer } from './server-record.js';

let folder: string;
let children: ChildProcess[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-record-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function start(program: string, ...rest: readonly string[]): Promise<number> {
  const child = spawn(program, rest, { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return Number(child.pid);
}

const server = (pid: number) => ({
  address: '127.0.0.1:7233',
  uiUrl: null,
  namespace: 'default',
  pid,
  databaseFile: join(folder, 'temporal', 'temporal.db'),
});
const record = () => join(folder, 'temporal', 'server.json');

describe('the record of a dev server', () => {
  it('is found while that process runs, and not afterwards', async () => {
    expect(await findDevServer(folder)).toBeNull();
    const pid = await start('sleep', '600');
    // The folder of a second one is there already, with what the first has left.
    await recordDevServer(folder, server(process.pid));
    await recordDevServer(folder, server(pid));
    expect(await findDevServer(folder)).toEqual(server(pid));
    expect(await readdir(join(folder, 'temporal'))).toEqual(['server.json']);
    const ended = once(children[0]!, 'exit');
    children[0]?.kill('SIGKILL');
    await ended;
    expect(await findDevServer(folder)).toBeNull();
  });

  it('does not stand for another process that was given its id', async () => {
    await recordDevServer(folder, server(process.pid));
    const text = await readFile(record(), 'utf8');
    const { processStart: started } = JSON.parse(text) as { readonly processStart: string };
    await writeFile(record(), text.replace(`"${started}"`, `"${started}0"`));
    expect(await findDevServer(folder)).toBeNull();
  });

  it('that is half written is passed over', async () => {
    await recordDevServer(folder, server(process.pid));
    await writeFile(record(), '{"v":1,"pid":');
    expect(await findDevServer(folder)).toBeNull();
  });

  it('of a later version is passed over whatever runs', async () => {
    await recordDevServer(folder, server(process.pid));
    await writeFile(record(), (await readFile(record(), 'utf8')).replace('"v":1', '"v":2'));
    expect(await findDevServer(folder)).toBeNull();
  });

  it('is not left by a server that has ended already', async () => {
    const pid = await start('true');
    while ((await processStart(pid)) !== null) await sleep(10);
    await recordDevServer(folder, server(pid));
    expect(await readdir(folder)).toEqual([]);
  });

  it('is removed by its own server only', async () => {
    await recordDevServer(folder, server(process.pid));
    await forgetDevServer(folder, Number(String(process.pid).slice(0, -1)));
    await forgetDevServer(folder, process.ppid);
    expect(await findDevServer(folder)).not.toBeNull();
    await forgetDevServer(folder, process.pid);
    expect(await readdir(join(folder, 'temporal'))).toEqual([]);
    await forgetDevServer(folder, process.pid);
  });
});

describe('the start of a process', () => {
  it('is the same at every look, and there is none when nothing runs', async () => {
    const pid = await start('sleep', '600');
    const first = await processStart(pid);
    expect(first).not.toBeNull();
    expect(await processStart(pid)).toBe(first);
    expect(await processStart(2 ** 30)).toBeNull();
  });

  it.runIf(process.platform === 'linux')('is read past a name that looks like the rest', async () => {
    const program = join(folder, 'a) Z 1 (b');
    await copyFile('/bin/sleep', program);
    const pid = await start(program, '600');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    expect(await processStart(pid)).toBe(stat.trim().split(' ').at(-31));
  });

  it.runIf(process.platform === 'linux')(
    'is none for one that has ended and was not asked for its result',
    async () => {
      // The second program takes the place of the shell and knows nothing of the first, which ends only then: the shell would
      // have asked for its result.
      const child = spawn('/bin/sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      children.push(child);
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      const pid = Number.parseInt(String(said), 10);
      while (!(await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).startsWith('sleep')) await sleep(10);
      process.kill(pid, 'SIGKILL');
      const state = async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.[0];
      while ((await state()) !== 'Z') await sleep(10);
      expect(await processStart(pid)).toBeNull();
    }
  );
});

describe('ports', () => {
  it('are free or taken, and it is told by whom', async () => {
    const port = await freePort();
    expect([await portIsFree(port), await listenerOf(port)]).toEqual([true, null]);
    const listener = createServer().listen(port, '127.0.0.1');
    await once(listener, 'listening');
    expect(await portIsFree(port)).toBe(false);
    if (process.platform === 'linux') expect(await listenerOf(port)).toMatch(`process ${process.pid} (`);
    listener.close();
    await once(listener, 'close');
    expect([await portIsFree(port), await listenerOf(port)]).toEqual([true, null]);
  });
});
