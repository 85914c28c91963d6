import { fileURLToPath } from 'node:url';
import { SimplePlugin } from '@temporalio/plugin';
import type { ReplayWorkerOptions, Worker, WorkerOptions } from '@temporalio/worker';
import { controlQueue } from '@retempo/workflows/contracts';
import { once, refuseCollisions, runUnlessOverwritten } from './compose.js';

/** File with all workflows of Retempo, for `workflowsPath`. */
export const retempoWorkflowsPath = (): string => fileURLToPath(import.meta.resolve('@retempo/workflows'));

export interface OrchestratorPluginOptions {
  /** Activities of the control queue by name. */
  readonly activities: object;
}

/**
 * Makes a Worker on `retempo.control` run the workflows and the light activities of Retempo.
 *
 * It composes: a host's own `workflowsPath` or `workflowBundle` stays (the host's file then has to contain
 * `export * from '@retempo/workflows';`), activities are added to the host's, and interceptors, data converter, sinks and
 * other plugins are not touched. Giving it to the connection and to the worker is the same as giving it once.
 *
 * Throws an Error on any other task queue, and when an activity name is taken, by the host or by another plugin.
 */
export class OrchestratorPlugin extends SimplePlugin {
  readonly #activities: object;

  constructor(options: OrchestratorPluginOptions) {
    super({
      name: 'retempo.Orchestrator',
      activities: options.activities,
      // The function form: a plain path would replace the host's.
      workflowsPath: (existing) => existing ?? retempoWorkflowsPath(),
    });
    this.#activities = options.activities;
  }

  override configureWorker(options: WorkerOptions): WorkerOptions {
    return once(this, options, () => {
      if (options.taskQueue !== controlQueue) {
        throw new Error(
          `${this.name} belongs on the task queue ${controlQueue}, not on ${options.taskQueue || '(none)'}: ` +
            'give it to the Worker of that queue, not to a connection that other Workers share'
        );
      }
      refuseCollisions({
        plugin: this.name,
        taskQueue: options.taskQueue,
        existing: options.activities,
        added: this.#activities,
      });
      return withoutPathForBundle(options, super.configureWorker(options));
    });
  }

  override runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    return super.runWorker(worker, (one) =>
      runUnlessOverwritten({ plugin: this.name, worker: one, added: this.#activities, next })
    );
  }

  override configureReplayWorker(options: ReplayWorkerOptions): ReplayWorkerOptions {
    return withoutPathForBundle(options, super.configureReplayWorker(options));
  }
}

/** A host's finished bundle stays alone: a path beside it would be ignored by Temporal with a warning. */
function withoutPathForBundle<T extends WorkerOptions | ReplayWorkerOptions>(before: T, after: T): T {
  if (before.workflowBundle === undefined) return after;
  const { workflowsPath: _, ...rest } = after;
  return (before.workflowsPath === undefined ? rest : { ...rest, workflowsPath: before.workflowsPath }) as T;
}
