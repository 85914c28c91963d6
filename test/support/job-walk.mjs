// A worker's way through one job: submit, wait, collect. Started as a process of its own, so that a test can kill it at
// any point. Its argument is JSON: { root, owner, slots, store, intent, killAtHeartbeat }.
import { createFileStore, createJobActivities } from '@retempo/activities';
import { createLocalJobs } from '@retempo/onprem';
import { MockActivityEnvironment } from '@temporalio/testing';

const { site, root, owner, slots, store, intent, killAtHeartbeat } = JSON.parse(process.argv[2]);
const context = { materialize: () => Promise.resolve(), secret: () => Promise.resolve('') };
const backend = createLocalJobs({ site, root, pools: [{ name: 'cpu', slots }], context });
const activities = createJobActivities({
  backend,
  store: createFileStore({ root: store }),
  owner,
  describeRelease: () => Promise.resolve('open'),
  pollMs: 50,
});
let beats = 0;
const run = (activity) => {
  const environment = new MockActivityEnvironment();
  environment.on('heartbeat', () => {
    beats += 1;
    if (beats === killAtHeartbeat) process.kill(process.pid, 'SIGKILL');
  });
  return environment.run(activity);
};
const ref = await run(() => activities.submitJob(intent));
const { releaseId, step } = intent;
await run(() => activities.awaitJob({ ref, releaseId, step, queuedLimitMs: null }));
await run(() => activities.collectOutput({ ref, kind: 'versions', required: [] }));
process.exit(0);
