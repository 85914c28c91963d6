import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobOutcome } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { createJson } from './atomic-file.js';
import { jobMarker, jobPaths, journalPath, type StateRecord } from './layout.js';
import { processesOf } from './job-processes.js';
import {
  endOf,
  leave,
  newJob,
  orderFor,
  outcomeOf,
  programOf,
  root,
  startMarked,
  startsOf,
  startSupervisor,
  startWith,
} from './supervised.test.support.js';

/** The first five times that this phase of a job is to be written, the disk is full. */
const fullFor = (key: string, phase: StateRecord['phase']): string => `
  let refusals = 0;
  const rename = fs.renameSync;
  fs.renameSync = (from, to) => {
    const isRefused = to === ${JSON.stringify(jobPaths(root, key).state)} && refusals < 5 && JSON.parse(fs.readFileSync(from, 'utf8')).phase === ${JSON.stringify(phase)};
    if (!isRefused) return rename(from, to);
    refusals += 1;
    throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
  };`;

describe('supervisor, at a bad moment', () => {
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

  it('J2 a program that a dead supervisor had just begun to start is found, though it shows its environment late', async () => {
    const key = newJob();
    leave(key, { v: 1, phase: 'launching' });
    const marker = { RETEMPO_JOB_FOLDER: jobPaths(root, key).folder };
    const late = `
      const readdir = fs.readdirSync;
      let looks = 0;
      fs.readdirSync = (path, ...more) => {
        const names = readdir(path, ...more);
        if (path !== '/proc' || (looks += 1) !== 3) return names;
        const { pid } = childProcess.spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], {
          env: ${JSON.stringify(marker)}, stdio: 'ignore', detached: true,
        });
        fs.writeFileSync(${JSON.stringify(`${root}/${key}.pid`)}, String(pid));
        return names;
      };`;
    const supervisor = startWith(late, orderFor(key, 50));
    const program = await programOf(key);
    expect(String(program)).toBe(readFileSync(`${root}/${key}.pid`, 'utf8'));
    process.kill(program ?? 0, 'SIGKILL');
    expect(await endOf(supervisor)).toBe(0);
    expect(outcomeOf(key)?.result).toBe('lost');
    expect(startsOf(key)).toBe(0);
    const journal = readFileSync(journalPath(root), 'utf8');
    expect(journal).toContain(`"event":"started","key":"${key}","program":{`);
  });

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
});
