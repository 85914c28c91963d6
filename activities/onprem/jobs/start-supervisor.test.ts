import childProcess, { spawn as start } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import { identityOf, isAlive, processStat, type ProcessIdentity } from '@retempo/activities/processes';
import { afterEach, describe, expect, it } from 'vitest';
import { jobPaths, readState, type SupervisorOrder } from './layout.js';
import { startSupervisor } from './start-supervisor.js';
import { newJob, orderFor, root, startsOf } from './supervised.test.support.js';

const compiled = fileURLToPath(new URL('../dist/jobs/start-supervisor.js', import.meta.url));
const { spawn } = childProcess;
const pids: number[] = [];
afterEach(() => {
  Object.assign(childProcess, { spawn });
  syncBuiltinESMExports();
  for (const pid of pids.splice(0)) {
    const identity = identityOf(pid);
    if (identity !== null && isAlive(identity)) process.kill(pid, 'SIGKILL');
  }
});

/** Another command is started instead of that of a supervisor. */
function insteadStart(command: (own: readonly string[]) => readonly string[]): void {
  Object.assign(childProcess, {
    spawn: (own: string, ownArgs: readonly string[], options: object) => {
      const [file = '', ...args] = command([own, ...ownArgs]);
      return spawn(file, args, options);
    },
  });
  syncBuiltinESMExports();
}

async function untilEnded(identity: ProcessIdentity | null): Promise<void> {
  const isRunning = (): boolean => identity !== null && isAlive(identity);
  while (isRunning()) await new Promise((resolve) => setTimeout(resolve, 10));
}

const parsed = (text: string): SupervisorOrder => JSON.parse(text) as SupervisorOrder;

/** A worker that is given an order for a supervisor that then waits, and says what came of it. */
function worker(order: string, before = '') {
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { startSupervisor } from ${JSON.stringify(compiled)};
    ${before}
    const said = await startSupervisor(${order}).then(({ pid }) => pid, ({ message }) => message);
    console.log(said);`;
  const child = start(
    '/bin/sh',
    ['-c', 'ulimit -n 100; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    }
  );
  pids.push(child.pid ?? 0);
  return child;
}

describe('start of a supervisor', () => {
  it('ties it to nothing of the worker, whose end it outlives', async () => {
    const key = newJob();
    const child = worker(orderFor(key, 0));
    const exit = once(child, 'exit');
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const supervisor = identityOf(Number(said.toString()));
    pids.push(supervisor?.pid ?? 0);
    expect(await exit).toEqual([0, null]);
    while (readState(jobPaths(root, key))?.phase !== 'queued') await new Promise((resolve) => setTimeout(resolve, 10));
    expect(processStat(supervisor?.pid ?? 0)).toMatchObject({ session: supervisor?.pid, group: supervisor?.pid });
    expect(readlinkSync(`/proc/${supervisor?.pid}/cwd`)).toBe('/');
    const environment = readFileSync(`/proc/${supervisor?.pid}/environ`, 'utf8').split('\0').slice(0, -1);
    expect(new Set(environment.map((entry) => entry.split('=', 1)[0]))).toEqual(new Set(['HOME', 'LANG', 'PATH']));
  });

  it('a worker that has no file left to open says so', async () => {
    const child = worker(
      orderFor(newJob(), 0),
      `const open = [];
       try {
         for (;;) open.push(openSync('/dev/null'));
       } catch {
         // One for the log, and none for what the order is written to.
         closeSync(open.pop());
       }`
    );
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    expect(said.toString()).toMatch(/spawn .*EMFILE/);
  });

  it('a supervisor that cannot be started is an error of the call alone', async () => {
    insteadStart(() => ['/no/such/program']);
    await expect(startSupervisor(parsed(orderFor(newJob(), 0)))).rejects.toThrow(/ENOENT/);
  });

  it('a supervisor that ends before it has read its order does no harm to the worker', async () => {
    insteadStart(() => ['/bin/true']);
    const order = parsed(orderFor(newJob(), 0));
    await startSupervisor({ ...order, env: { LARGE: 'x'.repeat(1_000_000) } });
  });

  it('leaves no file of it open in the worker; why it ended is in its log, for nobody else to read', async () => {
    const key = 'f'.repeat(64);
    const log = `${jobPaths(root, key).folder}/supervisor.log`;
    mkdirSync(jobPaths(root, key).folder, { recursive: true });
    const identity = await startSupervisor(parsed(orderFor(key, 0)));
    const open = readdirSync('/proc/self/fd').map((name) => {
      try {
        return readlinkSync(`/proc/self/fd/${name}`);
      } catch {
        return '';
      }
    });
    expect(open).not.toContain(log);
    await untilEnded(identity);
    expect(readFileSync(log, 'utf8')).toContain(`no job at ${jobPaths(root, key).folder}`);
    expect(statSync(log).mode & 0o777).toBe(0o600);
  });

  it('half an order, of a worker that died while it wrote, starts nothing and says so in the log', async () => {
    insteadStart((own) => ['/bin/sh', '-c', 'head -c 20 | "$0" "$@"; echo "ended with $?" >&2', ...own]);
    const key = newJob();
    await untilEnded(await startSupervisor(parsed(orderFor(key, 50))));
    const log = readFileSync(`${jobPaths(root, key).folder}/supervisor.log`, 'utf8');
    expect(log).toMatch(/^\S+ incomplete order \(20 characters\): the worker died while it wrote\nended with 1\n$/);
    expect(readState(jobPaths(root, key))).toBeNull();
    expect(startsOf(key)).toBe(0);
  });
});
