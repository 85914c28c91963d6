import { setImmediate as turn } from 'node:timers/promises';
import type { Worker, WorkerOptions } from '@temporalio/worker';

/** Remembers on an options object which plugins have already worked on it. Spreading the options keeps it. */
const appliedPlugins = Symbol.for('retempo.appliedPlugins');

type Tagged = WorkerOptions & { readonly [appliedPlugins]?: readonly object[] };

/**
 * Runs `configure` once per plugin object and options: Temporal calls a plugin twice when it is given to the connection
 * and to the worker.
 */
export function once(plugin: object, options: WorkerOptions, configure: () => WorkerOptions): WorkerOptions {
  const applied = (options as Tagged)[appliedPlugins] ?? [];
  if (applied.includes(plugin)) return options;
  const tagged: Tagged = { ...configure(), [appliedPlugins]: [...applied, plugin] };
  return tagged;
}

/**
 * Throws an Error that names every activity which both the host and the plugin would register: Temporal itself would keep
 * the last one and say nothing. The very same function twice is no collision.
 */
export function refuseCollisions(options: {
  readonly plugin: string;
  readonly taskQueue: string;
  readonly existing: object | undefined;
  readonly added: object;
}): void {
  const existing = new Map<string, unknown>(Object.entries(options.existing ?? {}));
  const names = Object.entries(options.added)
    .filter(([name, implementation]) => existing.has(name) && existing.get(name) !== implementation)
    .map(([name]) => name);
  if (names.length === 0) return;
  throw new Error(
    `${options.plugin}: the worker on ${options.taskQueue} already has ${names.length === 1 ? 'an activity' : 'activities'} ` +
      `named ${names.join(', ')}; rename yours, or run it on a task queue of its own`
  );
}

/**
 * Runs a Worker, unless a plugin that came later has put an activity of its own in the place of ours: Temporal says nothing
 * about that either, and only the finished Worker shows it. Throws an Error with their names; the Worker is ended then.
 */
export async function runUnlessOverwritten(options: {
  readonly plugin: string;
  readonly worker: Worker;
  readonly added: object;
  readonly next: (worker: Worker) => Promise<void>;
}): Promise<void> {
  const { plugin, worker, added, next } = options;
  const registered = worker.options.activities;
  const names = Object.entries(added)
    .filter(([name, ours]) => typeof ours === 'function' && registered.get(name) !== ours)
    .map(([name]) => name);
  if (names.length === 0) return next(worker);
  // Only a Worker that was started can be ended and gives its connection back.
  const run = { isOver: false };
  const ended = next(worker)
    .catch(() => undefined)
    .finally(() => (run.isOver = true));
  // A plugin in between may refuse to start it at all.
  while (!run.isOver && worker.getState() === 'INITIALIZED') await turn();
  if (worker.getState() === 'RUNNING') worker.shutdown();
  await ended;
  throw new Error(
    `${plugin}: another plugin of the worker on ${worker.options.taskQueue} has replaced ` +
      `${names.length === 1 ? 'the activity' : 'the activities'} ${names.join(', ')}; rename those of that plugin, or run it on a ` +
      'task queue of its own'
  );
}
