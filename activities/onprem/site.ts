import { resolve } from 'node:path';
import type { ProviderContext, Site } from '@retempo/activities/ports';
import { PortError } from '@retempo/activities/ports';
import { makeFolder } from '@retempo/activities/processes';
import { readConfig } from './config.js';
import { createLocalJobs } from './jobs/local-jobs.js';
import { probeMachine } from './probe.js';
import { createOnpremServing, type OnpremServing } from './serving/index.js';

/** A local site: what every site has, and what only a local one can tell. */
export interface OnpremSite extends Site {
  /** Folder of the site: jobs, pools, cache, routers, and `journal.ndjson` of every process start and end. */
  readonly root: string;
  /** Routers of the site, for whoever needs their addresses. */
  readonly routers: OnpremServing;
}

/**
 * Opens a local site. Relative roots are taken from the provider's state folder; default: the folder named after the site
 * there. Closing it ends no job and no router: both outlive the worker.
 *
 * @throws PortError `InvalidSpec` with every problem of the configuration.
 */
export function openSite(input: {
  readonly id: string;
  readonly config: unknown;
  readonly context: ProviderContext;
}): OnpremSite {
  const { id, context } = input;
  const { config, problems } = readConfig(input.config);
  if (problems.length > 0) {
    const lines = problems.map(({ path, message }) => `${['sites', id, ...path].join('.')}: ${message}`);
    throw new PortError('InvalidSpec', lines.join('\n'));
  }
  const root = resolve(context.stateFolder, config.root ?? id);
  const servingRoot = `${root}/serving`;
  try {
    makeFolder(servingRoot, 0o700);
  } catch (error) {
    const setting = config.root === null ? 'state' : `sites.${id}.root`;
    const why = `the folder ${root} of site ${id} cannot be used (${(error as Error).message})`;
    throw new PortError('InvalidSpec', `${setting}: ${why}; name one that can be written`);
  }
  const { pools, stopGraceMs, keepJobsMs, endpoints } = config;
  const routers = createOnpremServing({ id, root: servingRoot, endpoints, context });
  return {
    id,
    root,
    pools,
    routers,
    jobs: createLocalJobs({ site: id, root, pools, context, stopGraceMs, keepMs: keepJobsMs }),
    serving: routers.serving,
    metrics: routers.metrics,
    probe: () => Promise.resolve(probeMachine(root)),
    close() {
      routers.close();
      return Promise.resolve();
    },
  };
}
