import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventually, freeCall, jobBackendCases, jobSteps } from '@retempo/activities/conformance';
import { identityOf } from '@retempo/activities/processes';
import type { JobOutcome, JobRef } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { type LocalJobsWorld } from '../support/local-jobs-world.js';
import { openJobsUnderTest } from './jobs-under-test.js';

const { newWorld, world, steps, startRunning } = openJobsUnderTest();
const killer = fileURLToPath(new URL('../support/kill-at-call.mjs', import.meta.url));
const walker = fileURLToPath(new URL('../support/job-walk.mjs', import.meta.url));
/** A worker of a site on which programs get little time to end. */
const hasty = world.open({ stopGraceMs: 300 });

function kill(target: { readonly pid: number } | null | undefined, signal: NodeJS.Signals): void {
  if (target === null || target === undefined) throw new Error('nobody to send a signal to');
  process.kill(target.pid, signal);
}

describe('every job backend: onprem', () => {
  const narrow = newWorld({ slots: 2 });
  const cases = [
    ...jobBackendCases({ ...world, features: { ...world.features, slots: null } }),
    ...jobBackendCases(narrow).filter(({ title }) => title.includes('slots:')),
  ];
  for (const { title, run } of cases) it(title, run);
});

describe('onprem jobs: death of the worker', () => {
  /** What the walker is told. */
  const inputOf = (intent: unknown, killAtHeartbeat: number | null = null): string =>
    JSON.stringify({
      site: 'onprem.local',
      root: world.root,
      owner: world.owner,
      slots: 50,
      store: world.storeRoot,
      intent,
      killAtHeartbeat,
    });

  /** Walks through a job in a process of its own; returns false when the process was killed on the way. */
  function walk(intent: unknown, kills: { readonly call?: number; readonly heartbeat?: number }): boolean {
    const { status, signal, stderr } = spawnSync(
      process.execPath,
      ['--import', killer, walker, inputOf(intent, kills.heartbeat)],
      { env: { ...process.env, KILL_AT: String(kills.call ?? 0) }, encoding: 'utf8' }
    );
    if (status !== 0 && signal !== 'SIGKILL') throw new Error(stderr);
    return signal === null;
  }

  async function finish(intent: ReturnType<LocalJobsWorld['job']>): Promise<void> {
    const ref = await steps.submit(intent);
    const outcome = await steps.await(ref);
    expect(outcome).toMatchObject({ result: 'succeeded' });
    const collected = await steps.inActivity(() =>
      steps.activities().collectOutput({ ref, kind: 'versions', required: [] })
    );
    expect(collected.bytes).toBe(`the result of ${intent.key}\n`.length);
    expect(world.started(intent.key)).toHaveLength(1);
  }

  it(
    'J2 kill -9 at every changing call of submit, wait and collect: one program, same end',
    { timeout: 600_000 },
    async () => {
      let call = 1;
      for (; ; call += 1) {
        const intent = world.job('succeed');
        const isThrough = walk(intent, { call });
        await finish(intent);
        if (isThrough) break;
      }
      // Loading, submit, supervisor, collect: fewer points would mean that the calls are no longer seen.
      expect(call).toBeGreaterThan(12);
    }
  );

  it('J2 kill -9 at each of the first looks of the wait: one program, same end', { timeout: 600_000 }, async () => {
    for (let heartbeat = 1; heartbeat <= 4; heartbeat += 1) {
      const intent = world.job('slowly', { parameters: { ms: 1500 } });
      expect(walk(intent, { heartbeat })).toBe(false);
      await finish(intent);
    }
  });

  it.each(['SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
    'J2 %s to the whole process group of the worker, as a terminal sends it, leaves the job alone',
    async (signal) => {
      const intent = world.job('run');
      const worker = spawn(process.execPath, [walker, inputOf(intent)], { detached: true, stdio: 'ignore' });
      const ended = once(worker, 'exit');
      await steps.untilRunning(intent.key);
      const supervisor = world.supervisor(intent.key);
      process.kill(-worker.pid!, signal);
      expect((await ended)[1]).toBe(signal);
      const ref = await steps.submit(intent);
      expect(await world.open().describe(ref, freeCall())).toMatchObject({ phase: 'running' });
      expect(world.supervisor(intent.key)).toEqual(supervisor);
      await steps.stop(intent.key);
      expect(await steps.await(ref)).toMatchObject({ result: 'stopped' });
      expect(world.started(intent.key)).toHaveLength(1);
    }
  );

  it('J1 cancel during submit leaves at most a job that the next submit adopts', async () => {
    for (const delayMs of [0, 1, 5, 20]) {
      const intent = world.job('succeed');
      const environment = world.environment();
      const submitting = environment.run(() => steps.activities().submitJob(intent)).catch(() => undefined);
      await sleep(delayMs);
      environment.cancel();
      await submitting;
      await finish(intent);
    }
  });
});

describe('onprem jobs: trouble with the supervisor', () => {
  it('J3 SIGSTOP of the supervisor: the job is adopted, not doubled, and its end is told after SIGCONT', async () => {
    const ref = await startRunning('slowly', { parameters: { ms: 400 } });
    const supervisor = world.supervisor(ref.key);
    kill(supervisor, 'SIGSTOP');
    await eventually('program has ended', async () => (await world.running(ref.key)) === 0);
    expect((await world.open().describe(ref, freeCall())).phase).toBe('running');
    expect(world.supervisor(ref.key)).toEqual(supervisor);
    kill(supervisor, 'SIGCONT');
    expect(await steps.await(ref)).toMatchObject({ result: 'succeeded' });
    expect(world.started(ref.key)).toHaveLength(1);
  });

  it('J4 a stop wakes a suspended supervisor and a suspended program', async () => {
    const ref = await startRunning('run');
    kill(world.started(ref.key)[0], 'SIGSTOP');
    kill(world.supervisor(ref.key), 'SIGSTOP');
    await steps.stop(ref.key);
    expect(await steps.await(ref)).toMatchObject({
      result: 'stopped',
      message: expect.stringContaining('stopped on request (ended by SIGTERM)') as string,
    });
  });

  it('J2 kill -9 of the supervisor: the program runs on, keeps its slot, and is stopped by key', async () => {
    const tight = newWorld({ slots: 1 });
    const tightSteps = jobSteps(tight);
    const ref = await tightSteps.submit(tight.job('run'));
    await tightSteps.untilPhase(ref, 'running');
    const first = tight.supervisor(ref.key);
    kill(first, 'SIGKILL');
    const waiting = await tightSteps.submit(tight.job('succeed'));
    expect(await tightSteps.untilPhase(waiting, 'queued')).toMatchObject({ progress: { busy: 1, slots: 1 } });
    expect(await tight.open().describe(ref, freeCall())).toMatchObject({ phase: 'running', progress: { step: 1 } });
    await eventually('another supervisor', async () => tight.supervisor(ref.key)?.pid !== first?.pid);
    expect(tight.started(waiting.key)).toHaveLength(0);
    await tightSteps.stop(ref.key);
    expect(await tight.running(ref.key)).toBe(0);
    expect(await tightSteps.await(ref)).toMatchObject({ result: 'stopped' });
    expect(await tightSteps.await(waiting)).toMatchObject({ result: 'succeeded' });
    expect(tight.started(ref.key)).toHaveLength(1);
  });

  it.each(['find', 'describe', 'requestStop'] as const)(
    'J2 kill -9 of the supervisor: %s alone gives the job another one',
    async (call) => {
      const worker = world.open();
      const ref = await startRunning('run', {}, worker);
      const first = world.supervisor(ref.key);
      kill(first, 'SIGKILL');
      const ask = {
        find: () => worker.find(ref.key, freeCall()),
        describe: () => worker.describe(ref, freeCall()),
        requestStop: () => worker.requestStop(ref, freeCall()),
      }[call];
      await eventually('another supervisor', async () => {
        await ask();
        return world.supervisor(ref.key)?.pid !== first?.pid;
      });
      expect(world.started(ref.key)).toHaveLength(1);
      await steps.stop(ref.key);
      expect(await steps.await(ref)).toMatchObject({ result: 'stopped' });
    }
  );

  it('J2 kill -9 of the supervisor, then the program ends: lost, because nobody saw its exit code', async () => {
    const ref = await startRunning('slowly', { parameters: { ms: 800 } });
    kill(world.supervisor(ref.key), 'SIGKILL');
    expect(await steps.await(ref)).toMatchObject({ result: 'lost', class: 'ServiceFault' });
    expect(world.started(ref.key)).toHaveLength(1);
  });

  it('J2 kill -9 of supervisor and program: lost, and never started again', async () => {
    const ref = await startRunning('run');
    kill(world.supervisor(ref.key), 'SIGKILL');
    kill(world.started(ref.key)[0], 'SIGKILL');
    expect(await steps.await(ref)).toMatchObject({ result: 'lost' });
    await steps.submit({ ...world.job('run'), key: ref.key }).catch(() => undefined);
    expect(world.started(ref.key)).toHaveLength(1);
  });

  it('J4 a stop after the death of the supervisor waits for every process', async () => {
    const ref = await startRunning('family', {}, hasty);
    await eventually('family', () => Promise.resolve(world.told(`${ref.key}.family`).length === 3));
    kill(world.supervisor(ref.key), 'SIGKILL');
    await steps.stop(ref.key, hasty);
    for (const pid of world.told(`${ref.key}.family`)) expect(existsSync(`/proc/${pid}/cwd`), pid).toBe(false);
  });

  it('J2 a pid that was given to another process is neither adopted nor killed', async () => {
    const innocent = await startRunning('run');
    const found = identityOf(world.started(innocent.key)[0]?.pid ?? 0);
    const intent = world.job('run');
    const ref: JobRef = { ...innocent, id: intent.key, key: intent.key };
    mkdirSync(world.jobFolder(ref.key));
    const record = { v: 1, intent, pool: 'cpu', createdAt: new Date().toISOString() };
    writeFileSync(`${world.jobFolder(ref.key)}/job.json`, JSON.stringify(record));
    const program = { ...found, started: String(Number(found?.started) - 100) };
    const state = { v: 1, phase: 'running', program, startedAt: new Date().toISOString() };
    writeFileSync(`${world.jobFolder(ref.key)}/state.json`, JSON.stringify(state));
    expect(await steps.await(ref)).toMatchObject({ result: 'lost' });
    await steps.stop(ref.key);
    expect(await world.running(innocent.key)).toBe(1);
    await steps.stop(innocent.key);
  });

  it('J7 a machine that shuts down while a job waits for a slot leaves the job to the next supervisor', async () => {
    const tight = newWorld({ slots: 1 });
    const tightSteps = jobSteps(tight);
    const ref = await tightSteps.submit(tight.job('run'));
    await tightSteps.untilPhase(ref, 'running');
    const waiting = await tightSteps.submit(tight.job('succeed'));
    await tightSteps.untilPhase(waiting, 'queued');
    kill(tight.supervisor(waiting.key), 'SIGTERM');
    await tightSteps.stop(ref.key);
    expect(await tightSteps.await(waiting)).toMatchObject({ result: 'succeeded' });
  });
});

describe('onprem jobs: processes', () => {
  it('J4 stop ends children, grandchildren in sessions of their own and those that cleared their environment', async () => {
    const ref = await startRunning('family', {}, hasty);
    await eventually('family', () => Promise.resolve(world.told(`${ref.key}.family`).length === 3));
    const stubborn = await steps.submit(world.job('stubborn'), hasty);
    await eventually('handler is installed', async () => {
      const state = await hasty.describe(stubborn, freeCall());
      return state.phase === 'running' && state.progress !== undefined;
    });
    await steps.stop(stubborn.key);
    expect(await steps.await(stubborn)).toMatchObject({
      result: 'stopped',
      message: expect.stringContaining('stopped on request (ended by SIGKILL)') as string,
    });
    expect(world.told(`${stubborn.key}.term`)).toEqual(['asked']);
    await steps.stop(ref.key);
    for (const pid of world.told(`${ref.key}.family`)) expect(existsSync(`/proc/${pid}/cwd`), pid).toBe(false);
  }, 120_000);

  it('J4 a program that is asked to stop has its grace to save what it has: nothing kills it meanwhile', async () => {
    const until = `${world.folder}/may-end`;
    const ref = await startRunning('saving', { parameters: { until } }, world.open({ stopGraceMs: 600_000 }));
    await eventually('handler is installed', async () => {
      const state = await world.open().describe(ref, freeCall());
      return state.phase === 'running' && state.progress !== undefined;
    });
    await world.open().requestStop(ref, freeCall());
    await eventually('it was asked', () => Promise.resolve(world.told(`${ref.key}.term`).length > 0));
    // Longer than what a program's children get that it left behind.
    await sleep(3_000);
    expect(await world.running(ref.key)).toBe(1);
    expect(await world.open().describe(ref, freeCall())).toMatchObject({ phase: 'stopping' });
    writeFileSync(until, '');
    expect(await steps.await(ref)).toMatchObject({
      result: 'stopped',
      message: expect.stringContaining('stopped on request (exit code 0)') as string,
    });
    expect(world.told(`${ref.key}.term`)).toEqual(['asked']);
  });

  it('a program that ends well but leaves children behind has ended only when they have', async () => {
    const ref = await steps.submit(world.job('family', { parameters: { leave: true } }));
    expect(await steps.await(ref)).toMatchObject({ result: 'succeeded' });
    for (const pid of world.told(`${ref.key}.family`)) expect(existsSync(`/proc/${pid}/cwd`), pid).toBe(false);
  });

  it('20 jobs on 2 slots, from two workers: never more than 2 alive, all done, each once', async () => {
    const narrow = newWorld({ slots: 2 });
    const narrowSteps = jobSteps(narrow);
    const intents = Array.from({ length: 20 }, () => narrow.job('slowly', { parameters: { ms: 150 } }));
    const backends = [narrow.open(), narrow.open()];
    const refs = await Promise.all(intents.map((intent, index) => narrowSteps.submit(intent, backends[index % 2])));
    const outcomes = await Promise.all(refs.map((ref) => narrowSteps.await(ref)));
    expect(outcomes.map(({ result }) => result)).toEqual(Array(20).fill('succeeded'));
    let live = 0;
    let most = 0;
    for (const line of narrow.told('live')) {
      live += line === '+' ? 1 : -1;
      most = Math.max(most, live);
    }
    expect([live, most]).toEqual([0, 2]);
    for (const { key } of intents) expect(narrow.started(key)).toHaveLength(1);
    const journal = readFileSync(`${narrow.root}/journal.ndjson`, 'utf8').trim().split('\n');
    const events = journal.map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events.filter((event) => event === 'started')).toHaveLength(20);
    expect(events.filter((event) => event === 'ended')).toHaveLength(20);
  });

  it('the line for a slot is served oldest first', async () => {
    const narrow = newWorld({ slots: 1 });
    const narrowSteps = jobSteps(narrow);
    const blocker = await narrowSteps.submit(narrow.job('run'));
    await narrowSteps.untilPhase(blocker, 'running');
    const refs: JobRef[] = [];
    for (let index = 0; index < 4; index += 1) {
      const ref = await narrowSteps.submit(narrow.job('succeed'));
      await narrowSteps.untilPhase(ref, 'queued');
      refs.push(ref);
    }
    await narrowSteps.stop(blocker.key);
    const outcomes: JobOutcome[] = [];
    for (const ref of refs) outcomes.push(await narrowSteps.await(ref));
    const starts = outcomes.map(({ startedAt }) => startedAt ?? '');
    expect(starts).toEqual(starts.toSorted());
  });
});
