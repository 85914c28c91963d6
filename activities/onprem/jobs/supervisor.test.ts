import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { JobIntent, JobOutcome } from '@retempo/workflows/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { jobMarker, jobPaths, readState, type SupervisorOrder } from './layout.js';
import { processesOf } from './job-processes.js';

const root = mkdtempSync(`${tmpdir()}/retempo-supervisor-`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const entry = fileURLToPath(new URL('../dist/jobs/supervisor-main.js', import.meta.url));
const killer = fileURLToPath(new URL('../../../test/support/kill-at-call.mjs', import.meta.url));

let jobs = 0;

/** Folder of a new job whose program notes its start, and ends well after a moment. */
function newJob(options: { readonly site?: string; readonly key?: string; readonly ms?: number } = {}): string {
  jobs += 1;
  const { site = root, key = jobs.toString(16).padStart(64, '0'), ms = 150 } = options;
  const paths = jobPaths(site, key);
  mkdirSync(paths.folder, { recursive: true });
  const script = `require('fs').appendFileSync(${JSON.stringify(`${site}/${key}.starts`)}, 's'); setTimeout(() => {}, ${ms})`;
  const intent: JobIntent = {
    key,
    releaseId: 'release',
    step: 'train',
    attempt: 1,
    specDigest: 'digest',
    owner: 'owner',
    spec: {
      program: { command: [process.execPath, '-e', script] },
      inputs: {},
      parameters: {},
      capacity: 'onDemand',
      timeoutMs: 60_000,
    },
  };
  const createdAt = new Date().toISOString();
  writeFileSync(paths.record, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt }));
  return key;
}

function orderFor(key: string, slots: number, site = root): string {
  const order: SupervisorOrder = {
    v: 1,
    root: site,
    key,
    slots,
    stopGraceMs: 1000,
    logBytes: 100_000,
    env: {},
    folders: { code: null, checkpoint: null, inputs: {} },
    refusal: null,
  };
  return `${JSON.stringify(order)}\n`;
}

/** Starts a supervisor; `killAt` = the changing call before which it is killed, 0 = never. */
function startSupervisor(text: string, killAt = 0): ChildProcess {
  const child = spawn(process.execPath, ['--import', killer, entry], {
    env: { PATH: process.env['PATH'], KILL_AT: String(killAt) },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin.end(text);
  return child;
}

const endOf = (child: ChildProcess): Promise<NodeJS.Signals | number | null> =>
  new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });

const runSupervisor = (key: string, killAt: number) => endOf(startSupervisor(orderFor(key, 2), killAt));

const startsOf = (key: string): number => {
  const path = `${root}/${key}.starts`;
  return existsSync(path) ? readFileSync(path, 'utf8').length : 0;
};

const outcomeOf = (key: string): JobOutcome | null => {
  const state = readState(jobPaths(root, key));
  return state?.phase === 'ended' ? state.outcome : null;
};

describe('supervisor', () => {
  it(
    'J2 kill -9 at every changing call: the next supervisor ends the job, the program is started at most once',
    { timeout: 300_000 },
    async () => {
      const results: (JobOutcome['result'] | undefined)[] = [];
      for (let killAt = 1; ; killAt += 1) {
        const key = newJob();
        const how = await runSupervisor(key, killAt);
        if (how === 0) break;
        expect(how).toBe('SIGKILL');
        const before = startsOf(key);
        expect(await runSupervisor(key, 0)).toBe(0);
        const result = outcomeOf(key)?.result;
        results.push(result);
        expect(startsOf(key), `killed before call ${killAt}`).toBeLessThanOrEqual(1);
        if (result === 'succeeded') expect(startsOf(key)).toBe(1);
        else expect(result, `killed before call ${killAt}, ${before} starts`).toBe('lost');
        expect(processesOf(jobMarker(root, key), null)).toEqual([]);
      }
      // Deaths before the launch cost nothing, deaths between launch and end cost the exit code, never a second start.
      expect(new Set(results)).toEqual(new Set(['succeeded', 'lost']));
      expect(results.length).toBeGreaterThan(15);
    }
  );

  it('J1 of many supervisors of one job one works, the others end at once', async () => {
    const key = newJob();
    const ends = await Promise.all(Array.from({ length: 6 }, () => runSupervisor(key, 0)));
    expect(ends).toEqual(Array(6).fill(0));
    expect(startsOf(key)).toBe(1);
    expect(outcomeOf(key)?.result).toBe('succeeded');
  });

  it('J1 a supervisor that waits keeps all others away; when it is killed, the next one carries on', async () => {
    const key = newJob();
    const waiting = startSupervisor(orderFor(key, 0));
    while (readState(jobPaths(root, key))?.phase !== 'queued') await sleep(10);
    expect(await runSupervisor(key, 0)).toBe(0);
    expect(startsOf(key)).toBe(0);
    waiting.kill('SIGKILL');
    expect(await endOf(waiting)).toBe('SIGKILL');
    expect(await runSupervisor(key, 0)).toBe(0);
    expect(startsOf(key)).toBe(1);
    expect(outcomeOf(key)?.result).toBe('succeeded');
  });

  it('J5 a job of another installation that has the same key is neither counted, stopped nor adopted', async () => {
    const other = mkdtempSync(`${root}/another-`);
    const key = newJob({ ms: 600_000 });
    const theirs = startSupervisor(orderFor(key, 1));
    while (readState(jobPaths(root, key))?.phase !== 'running') await sleep(10);
    newJob({ site: other, key });
    expect(await endOf(startSupervisor(orderFor(key, 1, other)))).toBe(0);
    expect(readState(jobPaths(other, key))).toMatchObject({ outcome: { result: 'succeeded' } });
    expect(readState(jobPaths(root, key))?.phase).toBe('running');
    expect(processesOf(jobMarker(root, key), null)).toHaveLength(1);
    writeFileSync(jobPaths(root, key).stop, '{"v":1}');
    expect(await endOf(theirs)).toBe(0);
    expect(outcomeOf(key)?.result).toBe('stopped');
  });

  it('J1 nothing is started while the disk does not take the note of the start', async () => {
    const key = newJob();
    const { state } = jobPaths(root, key);
    // The first five notes of the launch find a full disk; each start of a program tells whether the note was there.
    const fullDisk = `
      import fs from 'node:fs';
      import childProcess from 'node:child_process';
      import { syncBuiltinESMExports } from 'node:module';
      let refusals = 0;
      const rename = fs.renameSync;
      fs.renameSync = (from, to) => {
        if (to === ${JSON.stringify(state)} && refusals < 5 && fs.readFileSync(from, 'utf8').includes('launching')) {
          refusals += 1;
          throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        }
        return rename(from, to);
      };
      const spawn = childProcess.spawn;
      childProcess.spawn = (...args) => {
        fs.writeFileSync(${JSON.stringify(`${root}/${key}.note`)}, fs.readFileSync(${JSON.stringify(state)}));
        return spawn(...args);
      };
      syncBuiltinESMExports();`;
    const child = spawn(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(fullDisk)}`, entry], {
      env: { PATH: process.env['PATH'] },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.end(orderFor(key, 2));
    expect(await endOf(child)).toBe(0);
    expect(readFileSync(`${root}/${key}.note`, 'utf8')).toContain('"launching"');
    expect(startsOf(key)).toBe(1);
    expect(outcomeOf(key)?.result).toBe('succeeded');
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'J7 %s to the supervisor is the end of the machine: the program is asked to save, the job is preempted',
    async (signal) => {
      const key = newJob({ ms: 600_000 });
      const supervisor = startSupervisor(orderFor(key, 50));
      while (startsOf(key) === 0 || readState(jobPaths(root, key))?.phase !== 'running') await sleep(10);
      supervisor.kill(signal);
      expect(await endOf(supervisor)).toBe(0);
      expect(outcomeOf(key)).toMatchObject({ result: 'preempted', class: 'Preempted' });
      expect(processesOf(jobMarker(root, key), null)).toEqual([]);
    }
  );

  it('half an order starts nothing', async () => {
    const key = newJob();
    expect(await endOf(startSupervisor('{"v":1,"root":'))).toBe(1);
    await sleep(200);
    expect(readState(jobPaths(root, key))).toBeNull();
    expect(startsOf(key)).toBe(0);
  });
});
