import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { processStart } from './processes.js';

// No operating system gives an id to another process when a test asks for it: what it tells of ids is given here. The guardian and
// its program are real, and compiled, since the guardian is a program of its own.

const told = vi.fn<typeof processStart>();
vi.doMock(new URL('../dist/dev-server/processes.js', import.meta.url).pathname, () => ({ processStart: told }));
const compiled = new URL('../dist/dev-server/guarded-process.js', import.meta.url).href;
const { startGuarded } = (await import(compiled)) as typeof import('./guarded-process.js');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-guarded-ids-'));
  told.mockReset();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A program that kills its guardian when asked, then answers when asked, until somebody ends it or the test is over. */
async function withoutGuardian() {
  const [go, ask] = [join(folder, 'go'), join(folder, 'ask')];
  const answering = `[ -e ${ask} ] && mv ${ask} ${ask}ed; sleep 0.05`;
  const script = `while [ ! -e ${go} ]; do sleep 0.05; done; kill -9 $PPID; while [ -d ${folder} ]; do ${answering}; done`;
  const logFile = join(folder, 'log');
  const server = await startGuarded({ program: '/bin/sh', arguments: ['-c', script], logFile, graceMs: 60_000 });
  const answers = async () => {
    await writeFile(ask, '');
    while ((await processStart(server.pid)) !== null) {
      if ((await readdir(folder)).includes('asked')) return true;
      await sleep(20);
    }
    return false;
  };
  return { server, lose: () => writeFile(go, ''), answers };
}

it.each([
  ['was given to another process', 'then', 'now'],
  ['cannot be told from that of another process', null, null],
])('a process whose guardian is lost is not killed where its id %s', async (_, then, now) => {
  told.mockResolvedValueOnce(then).mockResolvedValue(now);
  const { server, lose, answers } = await withoutGuardian();
  await lose();
  expect(await server.ended).toBe('guardian lost');
  expect(told).toHaveBeenCalledWith(server.pid);
  expect(await answers()).toBe(true);
});

it('a stop has not ended before a process whose guardian is lost was looked for and killed', async () => {
  let tell: (start: string) => void = () => undefined;
  told.mockResolvedValueOnce('same').mockReturnValue(new Promise((done) => (tell = done)));
  const { server, lose } = await withoutGuardian();
  await lose();
  await vi.waitUntil(() => told.mock.calls.length === 2, { timeout: 60_000 });
  const order: string[] = [];
  const stopped = server.stop().then(() => order.push('stopped'));
  // Its guardian is gone by then, and that alone is not the end of it.
  await sleep(100);
  order.push('looked at');
  tell('same');
  await stopped;
  expect(order).toEqual(['looked at', 'stopped']);
  expect(await server.ended).toBe('guardian lost');
  while ((await processStart(server.pid)) !== null) await sleep(20);
});
