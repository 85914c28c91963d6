import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobOutcome } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { createJson } from './atomic-file.js';
import { identityOf, isAlive } from '@retempo/activities/processes';
import {
  jobMarker,
  jobPaths,
  journalPath,
  poolFolder,
  readState,
  type StateRecord,
  type SupervisorOrder,
} from './layout.js';
import { processesOf } from './job-processes.js';
import {
  endOf,
  leave,
  newJob,
  orderFor,
  outcomeOf,
  programOf,
  root,
  runSupervisor,
  startMarked,
  startsOf,
  startSupervisor,
  startWith,
} from './supervised.test.support.js';

/** So many times that this phase of a job is to be written, the disk is full, and `meanwhile` happens. */
const fullFor = (key: string, phase: StateRecord['phase'], times = 5, meanwhile = ''): string => `
  let refusals = 0;
  const rename = fs.renameSync;
  fs.renameSync = (from, to) => {
    const isRefused = to === ${JSON.stringify(jobPaths(root, key).state)} && refusals < ${times} && JSON.parse(fs.readFileSync(from, 'utf8')).phase === ${JSON.stringify(phase)};
    if (!isRefused) return rename(from, to);
    refusals += 1;
    ${meanwhile}
    throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
  };`;

describe('supervisor, at a bad moment', () => {
  it('J2 one that comes when the job has ended starts nothing, and leaves the end as it is', async () => {
    const key = newJob();
    const outcome: JobOutcome = { result: 'failed', class: 'UserCodeFailed', message: 'exit code 1' };
    leave(key, { v: 1, phase: 'ended', outcome });
    expect(await runSupervisor(key, 0)).toBe(0);
    expect(startsOf(key)).toBe(0);
    expect(outcomeOf(key)).toEqual(outcome);
  });

  it('J1 nothing is started while the disk does not take the note of the start', async () => {
    const key = newJob();
    // Each start of a program tells whether the note was there.
    const noting = `
      const spawn = childProcess.spawn;
      childProcess.spawn = (...args) => {
        fs.copyFileSync(${JSON.stringify(jobPaths(root, key).state)}, ${JSON.stringify(`${root}/${key}.note`)});
        return spawn(...args);
      };`;
    expect(await endOf(startWith(fullFor(key, 'launching') + noting, orderFor(key, 50)))).toBe(0);
    expect(readFileSync(`${root}/${key}.note`, 'utf8')).toContain('"launching"');
    expect(startsOf(key)).toBe(1);
    expect(outcomeOf(key)?.result).toBe('succeeded');
  });

  it('J4 a job that is stopped while the disk does not take the note of its start is never started', async () => {
    const key = newJob();
    const { stop } = jobPaths(root, key);
    const tries = `${root}/${key}.tries`;
    const stopping = fullFor(key, 'launching', 5, `fs.writeFileSync(${JSON.stringify(stop)}, '{"v":1}');`);
    const noting = `
      childProcess.spawn = () => {
        fs.writeFileSync(${JSON.stringify(tries)}, '');
        throw new Error('started');
      };`;
    expect(await endOf(startWith(stopping + noting, orderFor(key, 50)))).toBe(0);
    expect(outcomeOf(key)).toMatchObject({ result: 'stopped', class: 'Cancelled' });
    expect(existsSync(tries)).toBe(false);
    expect(readFileSync(journalPath(root), 'utf8')).not.toContain(`"event":"started","key":"${key}"`);
  });

  it('J7 a machine that shuts down while the disk does not take the note of a start leaves the job to the next supervisor', async () => {
    const key = newJob();
    const ending = fullFor(key, 'launching', 2, `process.kill(process.pid, 'SIGTERM');`);
    expect(await endOf(startWith(ending, orderFor(key, 50)))).toBe(0);
    expect(readState(jobPaths(root, key))?.phase).toBe('preparing');
    expect(await runSupervisor(key, 0)).toBe(0);
    expect(outcomeOf(key)?.result).toBe('succeeded');
    expect(startsOf(key)).toBe(1);
  });

  it('a program that runs is written down as soon as the disk takes it', async () => {
    const key = newJob({ ms: 600_000 });
    const supervisor = startWith(fullFor(key, 'running'), orderFor(key, 50));
    expect(await programOf(key)).toBeGreaterThan(0);
    createJson(jobPaths(root, key).stop, { v: 1 });
    expect(await endOf(supervisor)).toBe(0);
    expect(outcomeOf(key)?.result).toBe('stopped');
  });

  it('how a program ended is kept until the disk takes it', async () => {
    const key = newJob();
    expect(await endOf(startWith(fullFor(key, 'ended'), orderFor(key, 50)))).toBe(0);
    expect(outcomeOf(key)?.result).toBe('succeeded');
  });

  it('J4 a job that is stopped while its folders are made is never started', async () => {
    const key = newJob();
    const { state, stop } = jobPaths(root, key);
    const stopping = `
      const rename = fs.renameSync;
      fs.renameSync = (from, to) => {
        rename(from, to);
        const isPreparing = to === ${JSON.stringify(state)} && fs.readFileSync(to, 'utf8').includes('"preparing"');
        if (isPreparing) fs.writeFileSync(${JSON.stringify(stop)}, '{"v":1}');
      };`;
    expect(await endOf(startWith(stopping, orderFor(key, 50)))).toBe(0);
    expect(outcomeOf(key)).toMatchObject({ result: 'stopped', message: 'stopped on request before it was started' });
    expect(startsOf(key)).toBe(0);
    expect(readFileSync(journalPath(root), 'utf8')).not.toContain(`"event":"started","key":"${key}"`);
  });

  it.each([
    ['failed', false],
    ['stopped', true],
  ] as const)(
    'J4 a job that cannot be started has %s: a stop that came before is what counts',
    async (result, isStop) => {
      const key = newJob();
      if (isStop) createJson(jobPaths(root, key).stop, { v: 1 });
      const refusal: JobOutcome = { result: 'failed', class: 'Integrity', message: 'bytes do not match' };
      expect(await endOf(startSupervisor(orderFor(key, 50, root, refusal)))).toBe(0);
      expect(outcomeOf(key)?.result).toBe(result);
      expect(startsOf(key)).toBe(0);
    }
  );

  it('whoever sees the end of a job finds it in the journal', async () => {
    const key = newJob();
    const note = `${root}/${key}.journal`;
    const looking = `
      const rename = fs.renameSync;
      fs.renameSync = (from, to) => {
        const isEnd = to === ${JSON.stringify(jobPaths(root, key).state)} && fs.readFileSync(from, 'utf8').includes('"ended"');
        if (isEnd) fs.copyFileSync(${JSON.stringify(journalPath(root))}, ${JSON.stringify(note)});
        return rename(from, to);
      };`;
    expect(await endOf(startWith(looking, orderFor(key, 50)))).toBe(0);
    expect(readFileSync(note, 'utf8')).toContain(`"event":"ended","key":"${key}"`);
  });

  it.each([
    ['is found', 3],
    ['is left to run and has ended when it has, if that is after the search', 6],
  ] as const)(
    'J2 a program that a dead supervisor had begun to start and that shows its environment late %s',
    async (_what, shownAt) => {
      const key = newJob();
      const [pidFile, looksFile] = [`${root}/${key}.pid`, `${root}/${key}.looks`];
      leave(key, { v: 1, phase: 'launching' });
      const marker = { RETEMPO_JOB_FOLDER: jobPaths(root, key).folder };
      const late = `
      const readdir = fs.readdirSync;
      let looks = 0;
      fs.readdirSync = (path, ...more) => {
        const names = readdir(path, ...more);
        if (path !== '/proc') return names;
        fs.writeFileSync(${JSON.stringify(looksFile)}, String(looks += 1));
        if (looks !== ${shownAt}) return names;
        const { pid } = childProcess.spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], {
          env: ${JSON.stringify(marker)}, stdio: 'ignore', detached: true,
        });
        fs.writeFileSync(${JSON.stringify(pidFile)}, String(pid));
        return names;
      };`;
      const supervisor = startWith(late, orderFor(key, 50));
      const program = await programOf(key);
      const started = identityOf(Number(readFileSync(pidFile, 'utf8')));
      if (started === null) throw new Error('the process was not seen');
      const isKnown = shownAt < 6;
      expect(program).toBe(isKnown ? started.pid : null);
      if (!isKnown) {
        while (Number(readFileSync(looksFile, 'utf8')) < 12 && supervisor.exitCode === null) await sleep(10);
        expect(isAlive(started)).toBe(true);
      }
      expect(outcomeOf(key)).toBeNull();
      process.kill(started.pid, 'SIGKILL');
      expect(await endOf(supervisor)).toBe(0);
      expect(outcomeOf(key)?.result).toBe('lost');
      expect(startsOf(key)).toBe(0);
      const isTold = readFileSync(journalPath(root), 'utf8').includes(`"event":"started","key":"${key}","program":{`);
      expect(isTold).toBe(isKnown);
    }
  );

  it('J2 of the processes of a job the program is the one that leads their group, wherever its pid stands', async () => {
    const key = newJob();
    leave(key, { v: 1, phase: 'launching' });
    // A child has the lower pid when the numbers have begun again between the two.
    const child = startMarked(key, false);
    const program = startMarked(key, true);
    const supervisor = startSupervisor(orderFor(key, 50));
    expect(await programOf(key)).toBe(program.pid);
    const ends = [child, program, supervisor].map((one) => endOf(one));
    createJson(jobPaths(root, key).stop, { v: 1 });
    expect(await Promise.all(ends)).toEqual(['SIGTERM', 'SIGTERM', 0]);
    expect(outcomeOf(key)?.result).toBe('stopped');
  });

  it('J2 a group whose number belongs to others by now gets no signal, while what is left of the job does', async () => {
    const key = newJob();
    const others = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], { stdio: 'ignore', detached: true });
    const identity = identityOf(others.pid ?? 0);
    if (identity === null) throw new Error('the process was not seen');
    const program = { ...identity, started: String(Number(identity.started) - 100) };
    leave(key, { v: 1, phase: 'running', program, startedAt: new Date().toISOString() });
    const left = startMarked(key, false);
    const ended = endOf(left);
    expect(await endOf(startSupervisor(orderFor(key, 50)))).toBe(0);
    expect(await ended).toBe('SIGTERM');
    expect(outcomeOf(key)?.result).toBe('lost');
    expect(isAlive(identity)).toBe(true);
    others.kill('SIGKILL');
  });

  it.each([
    ['code that went from the cache', 'ServiceFault', /could not be started .*ENOENT/, ''],
    [
      'a disk that is full',
      'CapacityUnavailable',
      /no space left on the disk/,
      `const mkdir = fs.mkdirSync;
       fs.mkdirSync = (path, options) => {
         if (!path.endsWith('/work')) return mkdir(path, options);
         throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'mkdir' });
       };`,
    ],
  ] as const)(
    '%s while its folders are made is not told as a missing program',
    async (_what, errorClass, message, script) => {
      const key = newJob();
      const order = JSON.parse(orderFor(key, 50)) as SupervisorOrder;
      const folders = { ...order.folders, code: `${root}/no-such-copy` };
      expect(await endOf(startWith(script, `${JSON.stringify({ ...order, folders })}\n`))).toBe(0);
      expect(outcomeOf(key)).toMatchObject({ result: 'failed', class: errorClass });
      expect(outcomeOf(key)?.message).toMatch(message);
    }
  );

  it('what a program leaves behind has two seconds to end, by the clock of its supervisor, and no more', async () => {
    const [clock, looks, left] = ['clock', 'looks', 'left'].map((name) => `${root}/${name}`) as [
      string,
      string,
      string,
    ];
    const stubborn = `process.on('SIGTERM', () => {}); require('fs').writeFileSync(${JSON.stringify(left)}, String(process.pid)); setInterval(() => {}, 1000)`;
    const key = newJob({
      body: `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(stubborn)}]);
        setInterval(() => require('fs').existsSync(${JSON.stringify(left)}) && process.exit(0), 10)`,
    });
    // The stop that comes when the program has just ended by itself changes nothing of how it ended.
    const frozen = `
      const spawn = childProcess.spawn;
      childProcess.spawn = (...args) => {
        const child = spawn(...args);
        child.once('exit', () => fs.writeFileSync(${JSON.stringify(jobPaths(root, key).stop)}, '{"v":1}'));
        return child;
      };
      performance.now = () => {
        fs.appendFileSync(${JSON.stringify(looks)}, '.');
        return Number(fs.readFileSync(${JSON.stringify(clock)}, 'utf8'));
      };`;
    writeFileSync(clock, '0');
    const supervisor = startWith(frozen, orderFor(key, 50));
    const ended = endOf(supervisor);
    const size = (): number => (existsSync(looks) ? readFileSync(looks, 'utf8').length : 0);
    for (const now of [0, 1999]) {
      writeFileSync(clock, String(now));
      const enough = size() + 10;
      while (size() < enough && supervisor.exitCode === null) await sleep(10);
      expect(processesOf(jobMarker(root, key), null).map(({ pid }) => pid)).toEqual([
        Number(readFileSync(left, 'utf8')),
      ]);
      expect(outcomeOf(key)).toBeNull();
    }
    writeFileSync(clock, '2000');
    expect(await ended).toBe(0);
    expect(outcomeOf(key)?.result).toBe('succeeded');
    expect(processesOf(jobMarker(root, key), null)).toEqual([]);
  });

  it('J4 a job that is stopped while it waits for a slot is ended by its own supervisor, without a start', async () => {
    const key = newJob();
    const supervisor = startSupervisor(orderFor(key, 0));
    while (readState(jobPaths(root, key))?.phase !== 'queued') await sleep(10);
    createJson(jobPaths(root, key).stop, { v: 1 });
    expect(await endOf(supervisor)).toBe(0);
    expect(outcomeOf(key)).toMatchObject({ result: 'stopped', class: 'Cancelled' });
    expect(startsOf(key)).toBe(0);
  });

  it('a job waits for a slot of its own pool only, and holds it in the folder of its site', async () => {
    const [first, second] = [newJob({ ms: 600_000 }), newJob()] as const;
    const { record } = jobPaths(root, second);
    writeFileSync(record, readFileSync(record, 'utf8').replace('"pool":"cpu"', '"pool":"gpu"'));
    const supervisor = startSupervisor(orderFor(first, 1));
    await programOf(first);
    expect(await endOf(startSupervisor(orderFor(second, 1)))).toBe(0);
    expect(outcomeOf(second)?.result).toBe('succeeded');
    expect(['cpu', 'gpu'].map((pool) => existsSync(`${poolFolder(root, pool)}/slots/0`))).toEqual([true, true]);
    createJson(jobPaths(root, first).stop, { v: 1 });
    expect(await endOf(supervisor)).toBe(0);
  });

  it('J4 a stop reaches all processes of a program in one step, also those that are others by the time one has looked', async () => {
    const [hop, hops] = [`${root}/hop.sh`, `${root}/hops`] as const;
    // Each process begins the next one and ends: none is there long enough to be found and signalled by itself. Some day it ends.
    writeFileSync(hop, `echo >> ${hops}; [ $1 -lt 5000 ] && { sh ${hop} $(($1 + 1)) & }`);
    const key = newJob({
      body: `require('child_process').spawn('sh', [${JSON.stringify(hop)}, '0'], { stdio: 'ignore' }); setInterval(() => {}, 1000)`,
    });
    const size = (): number => (existsSync(hops) ? readFileSync(hops).length : 0);
    const supervisor = startSupervisor(orderFor(key, 50));
    await programOf(key);
    while (size() < 20) await sleep(10);
    createJson(jobPaths(root, key).stop, { v: 1 });
    supervisor.kill('SIGCONT');
    expect(await endOf(supervisor)).toBe(0);
    const after = size();
    expect(after).toBeLessThan(5000);
    await sleep(500);
    expect(size()).toBe(after);
  });

  it('J4 a program that is asked to end is asked once: a second time may mean to leave everything', async () => {
    const asked = `${root}/asked`;
    const key = newJob({
      body: `process.on('SIGTERM', () => {
          require('fs').appendFileSync(${JSON.stringify(asked)}, '.');
          setTimeout(() => process.exit(0), 300);
        });
        require('fs').writeFileSync(${JSON.stringify(asked)}, '');
        setInterval(() => {}, 1000)`,
    });
    const supervisor = startSupervisor(orderFor(key, 50));
    while (!existsSync(asked)) await sleep(10);
    createJson(jobPaths(root, key).stop, { v: 1 });
    supervisor.kill('SIGCONT');
    expect(await endOf(supervisor)).toBe(0);
    expect(readFileSync(asked, 'utf8')).toBe('.');
  });
});
