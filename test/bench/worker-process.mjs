// A worker that says when it is ready, and ends. Started by worker.mjs:
//   node test/bench/worker-process.mjs hello|given|control|all <address> <bundle> <project folder>
// Prints one JSON line: { readyMs, cpuMs, rssMiB }. Ready: every Worker runs; counted from the start of the process.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [kind, address = '', codePath = '', folder = ''] = process.argv.slice(2);

/** @param {{ run(): Promise<void>, shutdown(): void }} worker */
async function measure(worker) {
  const running = worker.run();
  const { user, system } = process.cpuUsage();
  const readyMs = Date.now() - performance.timeOrigin;
  const rssMiB = process.memoryUsage.rss() / 2 ** 20;
  console.log(JSON.stringify({ readyMs, cpuMs: (user + system) / 1e3, rssMiB }));
  worker.shutdown();
  await running;
}

/** The least that a host writes: one workflow, one activity. */
async function hello() {
  const { NativeConnection, Worker } = await import('@temporalio/worker');
  const connection = await NativeConnection.connect({ address });
  const activities = { greet: (/** @type {string} */ name) => Promise.resolve(`Hello, ${name}`) };
  const worker = await Worker.create({
    connection,
    taskQueue: 'hello',
    workflowBundle: { codePath },
    activities,
  });
  await measure(worker);
  await connection.close();
}

/** `given`: the configuration is there already, as for a host that makes it itself; else it is read from the project. */
async function retempo() {
  const { Client } = await import('@temporalio/client');
  const { onprem } = await import('@retempo/onprem');
  const { connectWorkers, createWorkers, loadProject, openInstallation } = await import('@retempo/workers');
  const { config } =
    kind === 'given'
      ? { config: JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) }
      : await loadProject({ folder, providers: [onprem()] });
  const temporal = { ...config.temporal, address };
  const opened = await openInstallation({ project: { config }, providers: [onprem()] });
  const connection = await connectWorkers({ config: { temporal, metricsPort: null } });
  const workers = await createWorkers({
    config: { temporal, limits: config.limits },
    connection,
    sites: opened.sites,
    activities: opened.activities({ client: new Client({ connection }) }),
    host: { control: { workflowBundle: { codePath } } },
    only: (queue) => kind === 'all' || queue === 'retempo.control',
  });
  await measure(workers);
  await connection.close();
  await opened.close();
}

if (kind === 'hello') await hello();
else await retempo();
