// A worker process for the drain test: serves until SIGTERM, with one slow activity, and says what happens.
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { connectWorkers, createWorkers } from '@retempo/workers';

const [address, metricsPort] = process.argv.slice(2);
const limits = { heartbeatMs: 5_000, drainMs: 20_000, stickyTimeoutMs: 5_000, cachedWorkflows: 10 };
const temporal = { address, namespace: 'default', apiKey: null, tls: null };
const connection = await connectWorkers({ config: { temporal, metricsPort: Number(metricsPort) } });
const workers = await createWorkers({
  config: { temporal, limits },
  connection,
  sites: [{ id: 'onprem.east', pools: [], probe: async () => [], close: async () => undefined }],
  activities: {
    control: {},
    site: (_site, role) =>
      role !== 'jobs'
        ? {}
        : {
            slow: async () => {
              console.log('started');
              // Ends at once when it is cancelled: what a drain lets finish is not.
              await sleep(2_000, undefined, { signal: Context.current().cancellationSignal });
              return 'finished';
            },
          },
  },
  only: (queue) => queue !== 'retempo.control',
});
console.log(workers.queues.join());
await workers.run();
await connection.close();
console.log('drained');
