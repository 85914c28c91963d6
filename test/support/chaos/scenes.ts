import type { ChaosWorld } from './chaos-world.js';
import type { Point, WorkerOptions, WorkerProcess } from './worker-process.js';

/** Starts a worker, makes the first champion, and lets callers ask it. */
export async function startFirstChampion(world: ChaosWorld): Promise<void> {
  await world.startWorker();
  await world.apply();
  const { result, reason } = await world.outcomeOf(await world.retrain('first version'));
  if (result !== 'promoted') throw new Error(`no first champion: ${reason}; see ${world.log}`);
  await world.startRequests();
}

/** One worker that serves every queue, the running one when it is such; all others are ended. */
export async function onlyWorker(
  world: ChaosWorld,
  options: Pick<WorkerOptions, 'sabotage'> = {}
): Promise<WorkerProcess> {
  const fits = (worker: WorkerProcess) => worker.only === undefined && worker.sabotage === options.sabotage;
  const kept = [...world.workers].find(fits);
  await Promise.all([...world.workers].filter((worker) => worker !== kept).map((worker) => worker.end()));
  if (kept !== undefined) return kept;
  return world.startWorker(options);
}

/** Workers that die one after the other, each at its point. */
export interface Strikes {
  /** Points at which a worker has died, and another one taken over. */
  readonly struck: readonly Point[];
  /** Resolves when the worker that takes over from the last that died serves its queues. */
  settled(): Promise<unknown>;
}

/** Arms the worker; when it dies, the next one is armed for the next point, and so on. */
export async function strikeAt(
  world: ChaosWorld,
  points: readonly Point[],
  options: Pick<WorkerOptions, 'sabotage'> = {}
): Promise<Strikes> {
  const struck: Point[] = [];
  const follow = async (worker: WorkerProcess, [point, ...later]: readonly Point[]): Promise<void> => {
    if (point === undefined) return;
    await worker.ended;
    if (!worker.hasStruck()) return;
    struck.push(point);
    const next = await world.startWorker(options);
    if (later[0] !== undefined) await next.arm(later[0]);
    await follow(next, later);
  };
  const first = await onlyWorker(world, options);
  if (points[0] !== undefined) await first.arm(points[0]);
  const following = follow(first, points);
  following.catch(() => undefined);
  return {
    struck,
    // A point that is never reached leaves its worker alive: there is nothing to wait for then.
    settled: () =>
      Promise.race([
        following,
        world.until(
          'a worker',
          () => Promise.resolve(world.workers.size),
          (n) => n > 0
        ),
      ]),
  };
}
