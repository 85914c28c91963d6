// A worker process that can be told to die, or to fall asleep, at the n-th call of a port or of an activity. It is the
// product as it is: the hooks sit around the ports that it is given, nowhere inside.
//
// In: one JSON object a line on stdin. { arm: { call, nth, when: 'before' | 'after', how } } counts from now on; how:
//     SIGKILL, SIGSTOP, or hold, which keeps the call waiting until { release: true }. { counts: true } prints how often
//     everything was called, and answered, since. Out: JSON lines on stdout.
// Environment: CHAOS_WORKER = { folder, address, bundle, only?, sabotage? }.
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Client, Connection } from '@temporalio/client';
import { onprem } from '@retempo/onprem';
import { connectWorkers, createWorkers, loadProject, openInstallation } from '@retempo/workers';

const { folder, address, bundle, only, sabotage } = JSON.parse(process.env.CHAOS_WORKER ?? '{}');

/** @param {object} message */
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

// ---- hooks ----------------------------------------------------------------------------------------------------------

/** @type {{ call: string, nth: number, when: 'before' | 'after', how: 'SIGKILL' | 'SIGSTOP' | 'hold' } | null} */
let armed = null;
/** @type {Map<string, number>} */
let counts = new Map();
/** Lets a call go on that is held. */
let release = () => {};

/** @param {string} call @param {number} nth @param {'before' | 'after'} when @returns {Promise<void> | undefined} */
function strike(call, nth, when) {
  if (armed === null || armed.call !== call || armed.nth !== nth || armed.when !== when) return undefined;
  const { how } = armed;
  armed = null;
  if (how === 'hold') {
    const held = new Promise((/** @type {(value: void) => void} */ resolve) => (release = resolve));
    say({ held: call });
    return held;
  }
  // A signal to oneself is delivered before the call returns: not one more instruction of ours runs.
  process.kill(process.pid, how);
  say({ woken: call });
  return undefined;
}

/**
 * Replaces the methods of an object, in place, by ones that count and may strike. An answer that is lost is a call that
 * was made and whose process died before it could return.
 * @param {string} prefix @param {any} target
 */
function hook(prefix, target) {
  for (const [name, original] of Object.entries(target)) {
    if (typeof original !== 'function') continue;
    const call = `${prefix}.${name}`;
    target[name] = (/** @type {unknown[]} */ ...args) => {
      const nth = (counts.get(call) ?? 0) + 1;
      counts.set(call, nth);
      const held = strike(call, nth, 'before');
      const answer = held === undefined ? original.apply(target, args) : held.then(() => original.apply(target, args));
      if (typeof answer?.then !== 'function') return answer;
      const count = () => counts.set(`${call}:answered`, (counts.get(`${call}:answered`) ?? 0) + 1);
      answer.then(count, count);
      return answer.then(async (/** @type {unknown} */ value) => {
        await strike(call, nth, 'after');
        return value;
      });
    };
  }
}

// ---- protections that a test takes away -----------------------------------------------------------------------------

/** @type {{ [name: string]: (site: any) => void }} */
const sabotages = {
  // As if the name of a job were made up at every submit: no lookup can find what an earlier try has made.
  randomJobKey({ jobs }) {
    const { create } = jobs;
    jobs.find = async () => [];
    jobs.create = (/** @type {any} */ intent, /** @type {any} */ call) =>
      create({ ...intent, key: randomBytes(32).toString('hex') }, call);
  },
  // As if a write had been on its way all the time that its sender slept: no deadline of the sender stops it.
  noDeadline({ serving }) {
    const { setTraffic } = serving;
    serving.setTraffic = (/** @type {any} */ input) => setTraffic(input, freshCall());
  },
  // As that, and as if it did not say on which state it was decided: it overwrites whatever was written meanwhile.
  noFence({ serving }) {
    const { describe, setTraffic } = serving;
    serving.setTraffic = async (/** @type {any} */ input) => {
      const { revision, epoch, versions } = await describe(input.endpoint, freshCall());
      const weights = Object.fromEntries(
        Object.keys(versions).map((version) => [version, input.weights[version] ?? 0])
      );
      return setTraffic({ ...input, weights, ifRevision: revision, epoch }, freshCall());
    };
  },
};

const freshCall = () => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });

// ---- the worker -----------------------------------------------------------------------------------------------------

const { config } = await loadProject({ folder, providers: [onprem()] });
const temporal = { ...config.temporal, address };
const opened = await openInstallation({ project: { config }, providers: [onprem()] });
const native = await connectWorkers({ config: { temporal, metricsPort: null } });
const connection = await Connection.connect({ address });

for (const site of opened.sites) {
  if (sabotage !== undefined) sabotages[sabotage]?.(site);
  hook('jobs', site.jobs);
  hook('serving', site.serving);
  hook('metrics', site.metrics);
}
hook('registry', opened.registry);
hook('store', opened.store);
hook('upload', opened.store.upload);

const activities = opened.activities({ client: new Client({ connection }) });
hook('activity', activities.control);
const workers = await createWorkers({
  config: { temporal, limits: config.limits },
  connection: native,
  sites: opened.sites,
  activities: {
    control: activities.control,
    site(site, role) {
      const made = activities.site(site, role);
      hook('activity', made);
      return made;
    },
  },
  host: { control: { workflowBundle: { codePath: bundle } } },
  ...(only === undefined ? {} : { only: (/** @type {string} */ queue) => new RegExp(only).test(queue) }),
});

const orders = createInterface({ input: process.stdin });
// Nobody is left who could end this worker.
orders.on('close', () => process.exit(1));
orders.on('line', (line) => {
  const message = JSON.parse(line);
  if (message.arm !== undefined) {
    armed = message.arm;
    counts = new Map();
    say({ armed });
  }
  if (message.release === true) release();
  if (message.counts === true) say({ counts: Object.fromEntries(counts) });
});

const running = workers.run();
say({ ready: process.pid });
await running;
await connection.close();
await native.close();
await opened.close();
say({ drained: true });
process.exit(0);
