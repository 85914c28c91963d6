import { afterAll } from 'vitest';
import { eventually, freeCall, jobSteps, type JobSteps } from '@retempo/activities/conformance';
import type { JobBackend } from '@retempo/activities/ports';
import type { JobRef, JobSpec } from '@retempo/workflows/contracts';
import { createLocalJobsWorld, type LocalJobsWorld } from '../support/local-jobs-world.js';

/** One site for the tests of a file, and more where a test wants its own; all are closed at the end of the file. */
export interface JobsUnderTest {
  readonly newWorld: (options?: Parameters<typeof createLocalJobsWorld>[0]) => LocalJobsWorld;
  readonly world: LocalJobsWorld;
  readonly steps: JobSteps;
  /** Starts a job and returns when its program runs and that is written down. */
  readonly startRunning: (behaviour: string, spec?: Partial<JobSpec>, backend?: JobBackend) => Promise<JobRef>;
}

/** Call it once, outside of any test. */
export function openJobsUnderTest(): JobsUnderTest {
  const worlds: LocalJobsWorld[] = [];
  const newWorld: JobsUnderTest['newWorld'] = (options = {}) => {
    const world = createLocalJobsWorld(options);
    worlds.push(world);
    return world;
  };
  afterAll(async () => {
    for (const world of worlds) await world.close();
  });
  const world = newWorld();
  const steps = jobSteps(world);
  return {
    newWorld,
    world,
    steps,
    async startRunning(behaviour, spec = {}, backend = world.open()) {
      const ref = await steps.submit(world.job(behaviour, spec), backend);
      await steps.untilRunning(ref.key);
      await eventually(
        'state is written',
        async () => (await world.open().describe(ref, freeCall())).phase === 'running'
      );
      return ref;
    },
  };
}
