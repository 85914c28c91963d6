import { spawn } from 'node:child_process';
import { identityOf } from '@retempo/activities/processes';
import { describe, expect, it } from 'vitest';
import { processesOf } from './job-processes.js';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('processes of a job', () => {
  it('the session of a leader whose pid was given away proves nothing', async () => {
    const child = spawn('/bin/sleep', ['60'], { detached: true });
    const leader = identityOf(child.pid ?? 0);
    if (leader === null) throw new Error('no child');
    const pids = (identity: typeof leader) => processesOf('RETEMPO_JOB=none', identity).map(({ pid }) => pid);
    expect(pids(leader)).toEqual([leader.pid]);
    expect(pids({ ...leader, started: String(Number(leader.started) - 5) })).toEqual([]);
    child.kill('SIGKILL');
    await until(() => pids(leader).length === 0);
  });
});
