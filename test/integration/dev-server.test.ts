import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { searchAttributes } from '@retempo/workflows/contracts';
import {
  DevServerError,
  ensureSearchAttributes,
  findDevServer,
  findServerBinary,
  startDevServer,
} from '@retempo/workers';
import type { DevServer, DevServerOptions, ServerBinary } from '@retempo/workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parentOf, runs, untilEnded } from '../support/processes.js';
import { missingServer } from '../support/server-peer.js';
import { repositoryRoot } from '../support/repository.js';

const missing = await missingServer();

let folder: string;
let started: DevServer[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-dev-server-'));
  started = [];
});

afterEach(async () => {
  for (const server of started) await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Partial<DevServerOptions> = {}): Promise<DevServer> {
  const server = await startDevServer({ stateFolder: folder, uiPort: null, ...options });
  started.push(server);
  return server;
}

const portOf = (server: DevServer): number => Number(server.address.split(':')[1]);

const failure = async (promise: Promise<unknown>): Promise<DevServerError> => {
  const error: unknown = await promise.then(
    () => 'it worked',
    (thrown: unknown) => thrown
  );
  expect(error).toBeInstanceOf(DevServerError);
  return error as DevServerError;
};

/** A program that answers `--version` like the Temporal CLI and then does what the script says. */
async function standIn(version: string, script: string): Promise<string> {
  const path = join(folder, 'stand-in');
  const body = `if [ "$1" = --version ]; then echo "temporal version ${version} (Server 1.0.0, UI 1.0.0)"; exit 0; fi`;
  await writeFile(path, `#!/bin/sh\n${body}\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describe.skipIf(missing !== null)('dev server', () => {
  it('answers on loopback only, with the Web UI and the four search attributes', async () => {
    const server = await start({ uiPort: 0 });
    const connection = await Connection.connect({ address: server.address });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: server.namespace });
    expect(Object.keys(customAttributes ?? {}).sort()).toEqual(Object.values(searchAttributes).sort());
    expect(await ensureSearchAttributes(connection, { namespace: server.namespace })).toEqual({ added: [] });
    await connection.close();

    expect((await fetch(server.uiUrl ?? '')).status).toBe(200);
    expect(await findDevServer(folder)).toMatchObject({ address: server.address, pid: server.pid });
    const outside = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    for (const { address, family } of outside.filter(({ internal }) => !internal)) {
      const host = family === 'IPv6' ? `[${address}]` : address;
      await expect(fetch(`http://${host}:${portOf(server)}`)).rejects.toThrow();
    }
    await server.stop();
    await server.stop();
    expect(await findDevServer(folder)).toBeNull();
  });

  it('keeps a waiting workflow through SIGKILL: the result is exact and nothing happened twice', async () => {
    const first = await start();
    const port = portOf(first);
    const connection = await NativeConnection.connect({ address: first.address });
    const worker = await Worker.create({
      connection,
      taskQueue: 'trivial',
      workflowsPath: fileURLToPath(new URL('test/support/trivial-workflows.ts', repositoryRoot)),
    });
    const running = worker.run();
    const clientConnection = await Connection.connect({ address: first.address });
    const client = new Client({ connection: clientConnection });
    const handle = await client.workflow.start('waitThenAnswer', {
      taskQueue: 'trivial',
      workflowId: 'survivor',
      args: [{ waitMs: 3_000, answer: 'exact' }],
    });
    // The timer is in the history: from here on only the database file remembers it.
    while (!(await kinds(handle)).includes('timerStarted')) await new Promise((done) => setTimeout(done, 50));
    await first.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');

    const second = await start({ port });
    expect(second.address).toBe(first.address);
    expect(second.databaseFile).toBe(first.databaseFile);
    expect(await handle.result()).toBe('exact after 3000');
    const events = await kinds(handle);
    expect(events.filter((kind) => kind === 'timerStarted')).toHaveLength(1);
    expect(events.filter((kind) => kind === 'timerFired')).toHaveLength(1);

    worker.shutdown();
    await running;
    await clientConnection.close();
    await connection.close();
  });

  it('ends with its parent when that is killed', async () => {
    const script = `
      import { startDevServer } from '@retempo/workers';
      const server = await startDevServer({ stateFolder: process.argv[1], uiPort: null });
      console.log(server.pid);
      setInterval(() => undefined, 1000);`;
    const host = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
      cwd: fileURLToPath(repositoryRoot),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: host.stdout })[Symbol.asyncIterator]();
    const pid = Number((await lines.next()).value);
    expect(await runs(pid)).toBe(true);
    host.kill('SIGKILL');
    await untilEnded(pid);
    // The record that the killed host left behind does not stop the next start.
    await start();
  });

  it.skipIf(process.platform !== 'linux')('ends when its guardian is killed', async () => {
    const server = await start();
    const pid = server.pid ?? 0;
    process.kill(await parentOf(pid), 'SIGKILL');
    await untilEnded(pid);
    expect(await server.ended).toBe('guardian lost');
  });

  it('refuses a second server on one state folder and names the first', async () => {
    const server = await start();
    const error = await failure(startDevServer({ stateFolder: folder }));
    expect(error.problem).toBe('alreadyRunning');
    expect(error.message).toContain(`process ${server.pid}, ${server.address}`);
  });

  it('says who uses a port that was asked for', async () => {
    const other = createServer();
    const port = await new Promise<number>((done) => {
      other.listen(0, '127.0.0.1', () => done((other.address() as { port: number }).port));
    });
    for (const option of ['port', 'uiPort'] as const) {
      const error = await failure(startDevServer({ stateFolder: folder, [option]: port }));
      expect(error.problem).toBe('portInUse');
      expect(error.message).toContain(`127.0.0.1:${port} is in use`);
      expect(error.message).toContain(option === 'port' ? '--port of retempo dev' : '--ui-port of retempo dev');
      if (process.platform === 'linux') expect(error.message).toContain(`process ${process.pid} `);
    }
    await new Promise((done) => {
      other.close(done);
    });
  });

  it('shows the end of the log when the server dies at start, and leaves nothing running', async () => {
    const program = await standIn('1.9.1', 'echo "the disk is on fire" >&2; exit 3');
    await mkdir(join(folder, 'temporal'));
    await writeFile(join(folder, 'temporal', 'server.log'), 'trouble of yesterday\n');
    const error = await failure(startDevServer({ stateFolder: folder, environment: { TEMPORAL_CLI: program } }));
    expect(error.problem).toBe('diedAtStart');
    expect(error.message).toContain('ended at start (3): the disk is on fire');
    expect(error.message).not.toContain('yesterday');
    expect(error.message).toContain('server.log');
  });

  it('chooses another port when one that it chose was taken meanwhile, three times at most', async () => {
    const { path } = await findServerBinary();
    const lose = 'echo "$@" >> "$0.runs"; [ $(wc -l < "$0.runs") -gt $TIMES ] ||';
    // As a real one does: what it says first is followed by pages of its stacks.
    const inUse = '{ echo "bind: address already in use" >&2; seq -f "goroutine %g" 2000 >&2; exit 1; }';
    const losing = async (times: number, options: Partial<DevServerOptions>) => {
      await rm(join(folder, 'stand-in.runs'), { force: true });
      const program = await standIn('1.9.1', `TIMES=${times}; ${lose} ${inUse}; exec ${path} "$@"`);
      const result: unknown = await start({ ...options, environment: { ...process.env, TEMPORAL_CLI: program } }).catch(
        (error: unknown) => error
      );
      const runs = (await readFile(`${program}.runs`, 'utf8')).trimEnd().split('\n');
      return { result, ports: new Set(runs.map((run) => / --port (\d+)/.exec(run)?.[1])), runs: runs.length };
    };
    const won = await losing(2, {});
    expect(won.runs).toBe(3);
    expect(won.ports.size).toBeGreaterThan(1);
    await (won.result as DevServer).stop();
    const lost = await losing(3, {});
    expect(lost).toMatchObject({ runs: 3, result: { problem: 'diedAtStart' } });
    expect((lost.result as Error).message).toMatch(
      /: bind: address already in use\ngoroutine 1\n[^]*\ngoroutine 2000\n/
    );
    expect((lost.result as Error).message.length).toBeLessThan(4_096);
    // One that was asked for is not exchanged for another.
    const port = portOf(won.result as DevServer);
    expect(await losing(1, { port })).toMatchObject({ runs: 1, result: { problem: 'diedAtStart' } });
  });

  it('says what to do about a database file that cannot be read, and leaves the file as it was', async () => {
    const file = join(folder, 'temporal', 'temporal.db');
    const bytes = Buffer.alloc(20_000, 'no database');
    await mkdir(join(folder, 'temporal'));
    await writeFile(file, bytes);
    const error = await failure(startDevServer({ stateFolder: folder, uiPort: null }));
    expect(error.problem).toBe('diedAtStart');
    expect(error.message).toContain('file is not a database');
    expect(error.message).toContain(`move ${file} away`);
    expect((await readFile(file)).equals(bytes)).toBe(true);
    // The step that was named is one that helps.
    await rename(file, `${file}.away`);
    await start();
  });

  it('says that its log cannot be written', async () => {
    await mkdir(join(folder, 'temporal', 'server.log'), { recursive: true });
    const error = await failure(startDevServer({ stateFolder: folder, uiPort: null }));
    expect(error.problem).toBe('stateFolder');
    expect(error.message).toContain(join(folder, 'temporal', 'server.log'));
  });

  it('ends a server that never answers', async () => {
    const program = await standIn('1.9.1', 'echo $$ > "$0.pid"; exec sleep 600');
    const options = { stateFolder: folder, environment: { TEMPORAL_CLI: program }, startTimeoutMs: 500 };
    const error = await failure(startDevServer(options));
    expect(error.problem).toBe('noAnswer');
    await untilEnded(Number(await readFile(`${program}.pid`, 'utf8')));
  });

  it.each([
    [
      'not executable',
      (): Promise<string> => Promise.resolve(join(folder, 'nothing-here')),
      'notExecutable',
      /TEMPORAL_CLI names .* cannot be run/,
    ],
    [
      'something else',
      (): Promise<string> => Promise.resolve('/bin/true'),
      'notExecutable',
      /does not answer --version/,
    ],
    ['too old', (): Promise<string> => standIn('1.0.0', 'exit 0'), 'tooOld', /version 1\.0\.0; 1\.4\.0 or later/],
  ] as const)('refuses a TEMPORAL_CLI that is %s', async (_title, path, problem, message) => {
    const error = await failure(startDevServer({ stateFolder: folder, environment: { TEMPORAL_CLI: await path() } }));
    expect(error.problem).toBe(problem);
    expect(error.message).toMatch(message);
  });

  it('says which state folder cannot be used', async () => {
    await writeFile(join(folder, 'file'), '');
    const error = await failure(startDevServer({ stateFolder: join(folder, 'file') }));
    expect(error.problem).toBe('stateFolder');
    expect(error.message).toContain(join(folder, 'file'));
  });

  it('uses a server that the environment names only when that is allowed', async () => {
    const server = await start();
    const environment = { ...process.env, TEMPORAL_ADDRESS: server.address };
    const existing = await startDevServer({ stateFolder: folder, environment, allowExisting: true });
    expect(existing).toMatchObject({ address: server.address, pid: null, databaseFile: null });
    await existing.stop();
    expect(await runs(server.pid ?? 0)).toBe(true);
    await expect(existing.kill('SIGKILL')).rejects.toThrow('was not started here');

    const own = await start({ stateFolder: join(folder, 'own'), environment });
    expect(own.address).not.toBe(server.address);
    await server.stop();
    const error = await failure(startDevServer({ stateFolder: folder, environment, allowExisting: true }));
    expect(error.problem).toBe('notReachable');
  });

  it('fetches a damaged copy in the cache again', async (context) => {
    const cache = join(folder, 'cache');
    // Nothing of the machine's own programs called temporal: this is about the cache.
    const path = (process.env['PATH'] ?? '').split(delimiter).filter((part) => !existsSync(join(part, 'temporal')));
    const environment = { ...process.env, TEMPORAL_CLI: '', PATH: path.join(delimiter), RETEMPO_CACHE: cache };
    const first = await findServerBinary({ environment }).catch((error: unknown) => error);
    if (first instanceof DevServerError && first.problem === 'noSource') {
      if (process.env['RETEMPO_REQUIRE_PEERS'] === '1') throw first;
      return context.skip(first.message);
    }
    if (first instanceof Error) throw first;
    const binary = first as ServerBinary;
    expect(binary.from).toBe('fetched');
    expect((await findServerBinary({ environment })).from).toBe('cache');
    await truncate(binary.path, 1_000_000);
    const told: string[] = [];
    const again = await findServerBinary({ environment, onProgress: (message) => told.push(message) });
    expect(again).toMatchObject({ path: binary.path, from: 'fetched' });
    expect(told.join()).toContain('damaged');
    expect((await findServerBinary({ environment })).from).toBe('cache');
  });
});

async function kinds(handle: { fetchHistory(): Promise<{ events?: object[] | null }> }): Promise<readonly string[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).map((event) => {
    const name = Object.keys(event).find(
      (key) => key.endsWith('EventAttributes') && event[key as keyof typeof event] != null
    );
    return name?.replace('EventAttributes', '') ?? 'unknown';
  });
}
