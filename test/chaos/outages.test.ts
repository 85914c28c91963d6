import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { untilEnded } from '../support/processes.js';
import { missingServer } from '../support/server-peer.js';
import { call, endpoint, model, startChaosWorld, type ChaosWorld } from '../support/chaos/chaos-world.js';
import { problemsOf, trafficChanges } from '../support/chaos/oracle.js';
import { createReport, isShort } from '../support/chaos/run-mode.js';
import { onlyWorker, startFirstChampion } from '../support/chaos/scenes.js';
import type { Point } from '../support/chaos/worker-process.js';

// What a release stands on is taken away: the Temporal server, the router, a model server, everybody who judges.

const missing = await missingServer();
const report = createReport();

describe.skipIf(missing !== null)('outages', () => {
  let world: ChaosWorld;
  beforeAll(async () => {
    world = await startChaosWorld({ name: 'outages' });
    await startFirstChampion(world);
  });
  afterAll(async () => {
    report.print('outages');
    await world?.close();
  });
  const champion = async () => (await world.status()).champion;
  const candidateOf = async (before: string | null) => {
    const weights = await world.until('the candidate has weight', world.weights, (w) => Object.keys(w).length === 2);
    return Object.keys(weights).find((version) => version !== before)!;
  };

  describe('SIGKILL of the Temporal server, started again on the same database', () => {
    const moments: readonly (Point & { readonly phase: string })[] = [
      { phase: 'freeze data', call: 'activity.snapshotData', nth: 1, when: 'after' },
      { phase: 'submit', call: 'jobs.create', nth: 1, when: 'after' },
      { phase: 'wait', call: 'jobs.describe', nth: 1, when: 'after' },
      { phase: 'collect', call: 'activity.collectOutput', nth: 1, when: 'after' },
      { phase: 'register', call: 'registry.register', nth: 1, when: 'after' },
      { phase: 'gate', call: 'activity.evaluateGate', nth: 1, when: 'after' },
      { phase: 'deploy', call: 'serving.deploy', nth: 1, when: 'after' },
      { phase: 'set traffic', call: 'serving.setTraffic', nth: 1, when: 'after' },
      { phase: 'observe', call: 'metrics.readArms', nth: 1, when: 'after' },
      { phase: 'promote', call: 'registry.setAlias', nth: 1, when: 'before' },
      { phase: 'finish', call: 'activity.exportRun', nth: 1, when: 'after' },
    ];
    const some = moments.filter(({ phase }) => !isShort || phase === 'set traffic');

    it.each(some)('P3: during $phase: the release finishes, nothing is done twice', async (point) => {
      await report.timed(`server killed during ${point.phase}`, async () => {
        const before = await champion();
        const worker = await onlyWorker(world);
        await worker.arm(point, 'hold');
        const held = worker.held();
        const runId = await world.retrain(`server killed during ${point.phase}`);
        await world.reached(held, runId);
        await world.killServer();
        worker.release();
        await world.outcomeOf(runId);
        expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
        return 'promoted';
      });
    });

    it.skipIf(isShort)('P3 G3: during a rollback: the champion has 100 %', async () => {
      await report.timed('server killed during a rollback', async () => {
        await world.apply({ release: { lookEvery: '60s' } });
        const before = await champion();
        const worker = await onlyWorker(world);
        const runId = await world.retrain('server killed during a rollback');
        await candidateOf(before);
        await worker.arm({ call: 'serving.setTraffic', nth: 1, when: 'after' }, 'hold');
        const held = worker.held();
        await world.starters.rollback({ model, actor: 'ann', reason: 'chaos' });
        await world.reached(held, runId);
        await world.killServer();
        worker.release();
        await world.outcomeOf(runId);
        await world.apply();
        expect(await problemsOf(world, runId, { result: 'rolledBack', before })).toEqual([]);
        return 'rolledBack';
      });
    });
  });

  it('no request was lost while the server was away', async () => {
    const counts = await world.stopRequests();
    expect(counts).toMatchObject({ lost: 0, failed: 0, answered: counts.sent });
  });

  it('G4: SIGKILL of the router in the middle of a canary: split and counts are taken up again', async () => {
    await report.timed('router killed in the canary', async () => {
      await world.apply({ release: { lookEvery: '3s' } });
      await world.startRequests();
      const before = await champion();
      const runId = await world.retrain('router killed');
      const candidate = await candidateOf(before);
      const counted = await countsOf(world, [before!, candidate]);
      const { pid } = routerOf(world);
      process.kill(pid, 'SIGKILL');
      await untilEnded(pid);
      await world.until(
        'another router',
        () => Promise.resolve(routerOf(world).pid),
        (now) => now !== pid
      );
      const after = await countsOf(world, [before!, candidate]);
      // What was once told is never taken back.
      for (const version of [before!, candidate]) expect(after[version]!).toBeGreaterThanOrEqual(counted[version]!);
      const { result } = await world.outcomeOf(runId);
      const requests = await world.stopRequests();
      await world.apply();
      expect(['promoted', 'rolledBack']).toContain(result);
      expect(await problemsOf(world, runId, { result: result as 'promoted', before })).toEqual([]);
      expect(requests.answered + requests.lost).toBe(requests.sent);
      return `${result}; ${requests.lost} of ${requests.sent} requests lost while it was away`;
    });
  });

  it("G3: SIGKILL of the candidate's model server: failures count as errors, and the canary acts on them", async () => {
    await report.timed("candidate's model server killed", async () => {
      await world.apply({
        release: { lookEvery: '2s', guardrails: { errors: { worseThan: '1x', safeBelow: '2x', ignoreBelow: '1%' } } },
      });
      await world.startRequests();
      const before = await champion();
      const runId = await world.retrain('model server killed');
      const candidate = await candidateOf(before);
      const logged = requestLog(world).length;
      // As a crash loop: whenever the candidate has a server again, it dies.
      const stopping = new AbortController();
      const over = world.outcomeOf(runId).finally(() => stopping.abort());
      const killing = (async () => {
        while (!stopping.signal.aborted) {
          for (const pid of serversOf(world, candidate)) process.kill(pid, 'SIGKILL');
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      })();
      const { result, reason } = await over;
      await killing;
      const requests = await world.stopRequests();
      await world.apply();
      expect(result, reason).toBe('rolledBack');
      expect(await problemsOf(world, runId, { result: 'rolledBack', before })).toEqual([]);
      // Callers and the router's log agree about who failed, and only the candidate did.
      await world.site.metrics!.requestLog(endpoint, call());
      const failed = requestLog(world)
        .slice(logged)
        .filter(({ status }) => status >= 500);
      expect(failed.length).toBeGreaterThan(0);
      expect([...new Set(failed.map(({ version }) => version))]).toEqual([candidate]);
      expect(requests.failed).toBe(failed.length);
      expect(requests.lost).toBe(0);
      return `${result} after ${failed.length} failed requests`;
    });
  });

  it('G3: nobody judges: the lease gives everything back to the champion, without any worker', async () => {
    await report.timed('all workers dead in the canary', async () => {
      await world.apply({
        release: { lookEvery: '1s', lease: '4s', guardrails: { errors: { ignoreBelow: '0.01%' } } },
      });
      await world.startRequests();
      const before = await champion();
      const runId = await world.retrain('nobody judges');
      const candidate = await candidateOf(before);
      await Promise.all([...world.workers].map((worker) => worker.end()));
      const fallen = await world.until(
        'the lease runs out',
        () => Promise.resolve(trafficChanges(world).at(-1)),
        (last) => last?.reason.startsWith('lease') === true
      );
      expect(fallen?.weights).toMatchObject({ [before!]: 100, [candidate]: 0 });
      expect(world.workers.size).toBe(0);
      await world.startWorker();
      await world.starters.rollback({ model, actor: 'ann', reason: 'nobody was there' });
      await world.outcomeOf(runId);
      const requests = await world.stopRequests();
      await world.apply();
      const problems = await problemsOf(world, runId, { result: 'rolledBack', before });
      // The canary may have gone on with its step before the button: that is the same weight once more, after the lease.
      expect(problems.filter((problem) => !problem.includes('a weight twice'))).toEqual([]);
      expect(requests).toMatchObject({ lost: 0, failed: 0 });
      return 'champion has everything';
    });
  });
});

interface RouterFile {
  readonly process: { readonly pid: number };
}

const serving = (world: ChaosWorld, name: string): string => join(world.site.root, 'serving', endpoint, name);

const routerOf = (world: ChaosWorld): { readonly pid: number } =>
  (JSON.parse(readFileSync(serving(world, 'router.json'), 'utf8')) as RouterFile).process;

/** Requests per version, as the router counts them. */
async function countsOf(
  world: ChaosWorld,
  versions: readonly string[]
): Promise<{ readonly [version: string]: number }> {
  const { arms } = await world.site.metrics!.readArms({ endpoint, versions }, call());
  return Object.fromEntries(versions.map((version) => [version, arms[version]?.requests ?? 0]));
}

interface Logged {
  readonly version: string;
  readonly status: number;
}

/** The router's own log of requests, oldest first. */
function requestLog(world: ChaosWorld): readonly Logged[] {
  const folder = serving(world, 'requests');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort((a, b) => a.localeCompare(b))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Logged);
}

/** Model servers of one version, by the process table. */
function serversOf(world: ChaosWorld, version: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return ['model-server-main', world.site.root, version].every((part) => command.includes(part));
      } catch {
        return false;
      }
    })
    .map(Number);
}
