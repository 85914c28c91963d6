import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobOutcome } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { createJson } from './atomic-file.js';
import { jobMarker, jobPaths, readState } from './layout.js';
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
  startsOf,
  startSupervisor,
} from './supervised.test.support.js';

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
    createJson(jobPaths(root, key).stop, { v: 1 });
    expect(await endOf(theirs)).toBe(0);
    expect(outcomeOf(key)?.result).toBe('stopped');
  });

  it('J5 a site that is reached through a link is the same site: its programs are found from both sides', async () => {
    const key = newJob({ ms: 600_000 });
    const link = `${root}-link`;
    symlinkSync(root, link);
    try {
      const first = startSupervisor(orderFor(key, 50, link));
      const program = await programOf(key);
      first.kill('SIGKILL');
      await endOf(first);
      leave(key, { v: 1, phase: 'launching' });
      const second = startSupervisor(orderFor(key, 50));
      expect(await programOf(key)).toBe(program);
      createJson(jobPaths(root, key).stop, { v: 1 });
      expect(await endOf(second)).toBe(0);
      expect(processesOf(jobMarker(link, key), null)).toEqual([]);
    } finally {
      rmSync(link);
    }
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
});
