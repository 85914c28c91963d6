import { SimplePlugin } from '@temporalio/plugin';
import type { Worker, WorkerOptions } from '@temporalio/worker';
import { isSiteId, siteQueue } from '@retempo/workflows/contracts';
import type { SiteRole } from '@retempo/workflows/contracts';
import { once, refuseCollisions, runUnlessOverwritten } from './compose.js';

export interface ProviderPluginOptions {
  /** Site id, `<provider>.<name>`. */
  readonly site: string;
  readonly role: SiteRole;
  /** Activities of this role at this site, by name. */
  readonly activities: object;
}

/**
 * Makes a Worker run the activities of one role of one site, such as `retempo.onprem.east.jobs`. It adds activities and
 * nothing else. Giving it to the connection and to the worker is the same as giving it once.
 *
 * Throws an Error on any other task queue, and when an activity name is taken: a job that reached another site's worker
 * would run with that site's rights and on that site's data.
 */
export class ProviderPlugin extends SimplePlugin {
  readonly #queue: string;
  readonly #activities: object;

  constructor(options: ProviderPluginOptions) {
    if (!isSiteId(options.site)) {
      throw new Error(`"${options.site}" is not a site id: expected <provider>.<name>, such as onprem.local`);
    }
    const provider = options.site.split('.')[0] ?? '';
    super({
      name: `retempo.${provider.charAt(0).toUpperCase()}${provider.slice(1)}`,
      activities: options.activities,
    });
    this.#queue = siteQueue(options.site, options.role);
    this.#activities = options.activities;
  }

  override configureWorker(options: WorkerOptions): WorkerOptions {
    return once(this, options, () => {
      if (options.taskQueue !== this.#queue) {
        throw new Error(
          `${this.name} for ${this.#queue} was put on the foreign task queue ${options.taskQueue || '(none)'}: ` +
            'give it to the Worker of its own queue, not to a connection that other Workers share'
        );
      }
      refuseCollisions({
        plugin: this.name,
        taskQueue: options.taskQueue,
        existing: options.activities,
        added: this.#activities,
      });
      return super.configureWorker(options);
    });
  }

  override runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    return super.runWorker(worker, (one) =>
      runUnlessOverwritten({ plugin: this.name, worker: one, added: this.#activities, next })
    );
  }
}
