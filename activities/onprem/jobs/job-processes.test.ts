import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { identityOf, processStat, type ProcessIdentity } from '@retempo/activities/processes';
import { afterEach, describe, expect, it } from 'vitest';
import { processesOf } from './job-processes.js';

const marker = `RETEMPO_JOB_FOLDER=/nowhere/${process.pid}`;
const pidsOf = (leader: ProcessIdentity | null, mark = marker): number[] =>
  processesOf(mark, leader).map(({ pid }) => pid);

const left: number[] = [];
afterEach(() => {
  for (const pid of left.splice(0)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function seen(pid: number | undefined): ProcessIdentity {
  const identity = identityOf(pid ?? 0);
  if (identity === null) throw new Error('no such process');
  left.push(identity.pid);
  return identity;
}

/** A shell that leads a session of its own, and the pid that it prints. */
async function sessionOf(script: string) {
  const shell = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'], env: {} });
  // Its end may be heard of before what it said.
  const end = once(shell, 'exit');
  const leader = seen(shell.pid);
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  const told = Number(line.toString());
  left.push(told);
  return { end, leader, told };
}

describe('processes of a job', () => {
  it('are those that carry its marker from their start on: the whole of it, as an entry of its own', async () => {
    const child = spawn('/bin/sleep', ['60'], {
      env: { OTHER: `x${marker}y`, [marker.split('=')[0] ?? '']: `/nowhere/${process.pid}` },
    });
    const identity = seen(child.pid);
    await until(() => pidsOf(null).length > 0);
    expect(processesOf(marker, null)).toEqual([{ ...identity, group: processStat(identity.pid)?.group }]);
    expect(pidsOf(null, `${marker}0`)).toEqual([]);
    expect(pidsOf(null, marker.slice(0, -1))).toEqual([]);
  });

  it('are those in the session of its program: also when that has ended and they show no marker', async () => {
    const { end, leader, told } = await sessionOf('sleep 60 & echo $!');
    await end;
    expect(identityOf(leader.pid)).toBeNull();
    expect(pidsOf(leader)).toEqual([told]);
    // The same number on a machine that was started anew, and in another container, is another session.
    expect(pidsOf({ ...leader, boot: 'an earlier start' })).toEqual([]);
    expect(pidsOf({ ...leader, pidSpace: 'another container' })).toEqual([]);
    expect(pidsOf(null)).toEqual([]);
  });

  it('are none of those that have ended and wait for a parent that does not look', async () => {
    const { leader, told } = await sessionOf('sleep 60 & echo $!; exec sleep 60');
    // The shell would look: its child ends only when another program has taken its place.
    await until(() => readFileSync(`/proc/${leader.pid}/cmdline`, 'utf8').startsWith('sleep'));
    process.kill(told, 'SIGKILL');
    await until(() => processStat(told)?.state === 'Z');
    expect(pidsOf(leader)).toEqual([leader.pid]);
  });

  it('the session of a leader whose pid was given away proves nothing', () => {
    const leader = seen(spawn('/bin/sleep', ['60'], { detached: true }).pid);
    expect(pidsOf(leader)).toEqual([leader.pid]);
    expect(pidsOf({ ...leader, started: String(Number(leader.started) - 5) })).toEqual([]);
  });
});
