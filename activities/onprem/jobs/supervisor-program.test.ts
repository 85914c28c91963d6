import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createJson } from './atomic-file.js';
import { processesOf } from './job-processes.js';
import { jobMarker, jobPaths, journalPath, readState } from './layout.js';
import { endOf, newJob, orderFor, outcomeOf, programOf, root, startSupervisor } from './supervised.test.support.js';

const stateOf = (key: string) => {
  const state = readState(jobPaths(root, key));
  if (state?.phase !== 'running') throw new Error('it does not run');
  return state;
};

describe('the program of a supervisor', () => {
  it('works in the folder with its code, is told of in the journal, and is stopped with all that has left its group', async () => {
    const told = `${root}/told`;
    const key = newJob({
      body: `const { pid } = require('child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], {
          detached: true, stdio: 'ignore',
        });
        require('fs').writeFileSync(${JSON.stringify(`${told}.new`)}, JSON.stringify({ folder: process.cwd(), pid }));
        require('fs').renameSync(${JSON.stringify(`${told}.new`)}, ${JSON.stringify(told)});
        setInterval(() => {}, 1000)`,
    });
    const supervisor = startSupervisor(orderFor(key, 50));
    const program = await programOf(key);
    while (!existsSync(told)) await sleep(10);
    const { folder, pid } = JSON.parse(readFileSync(told, 'utf8')) as { readonly folder: string; readonly pid: number };
    expect(folder).toBe(realpathSync(jobPaths(root, key).work));
    // Until it has begun its own program it is not to be told apart from others.
    const pids = () => processesOf(jobMarker(root, key), null).map((process) => process.pid);
    while (!pids().includes(pid)) await sleep(10);
    const { program: identity } = stateOf(key);
    createJson(jobPaths(root, key).stop, { v: 1 });
    expect(await endOf(supervisor)).toBe(0);
    expect(pids()).toEqual([]);
    expect(outcomeOf(key)?.result).toBe('stopped');
    // What only the program needed is gone with it.
    const { work, temporary, output } = jobPaths(root, key);
    expect([work, temporary, output].map((path) => existsSync(path))).toEqual([false, false, true]);
    const lines = readFileSync(journalPath(root), 'utf8').trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line) as { readonly key: string }).filter((line) => line.key === key);
    expect(identity?.pid).toBe(program);
    expect(events).toEqual([
      expect.objectContaining({ event: 'started', program: identity }),
      expect.objectContaining({ event: 'ended', program: identity, result: 'stopped' }),
    ]);
  });

  it('has run since it was started, whoever sees its end', async () => {
    const key = newJob({ ms: 600_000 });
    const first = startSupervisor(orderFor(key, 50));
    await programOf(key);
    const { startedAt } = stateOf(key);
    first.kill('SIGKILL');
    await endOf(first);
    const second = startSupervisor(orderFor(key, 50));
    createJson(jobPaths(root, key).stop, { v: 1 });
    expect(await endOf(second)).toBe(0);
    expect(Date.parse(startedAt)).toBeGreaterThan(0);
    expect(outcomeOf(key)).toMatchObject({ result: 'stopped', startedAt });
  });
});
