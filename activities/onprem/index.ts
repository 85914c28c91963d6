import type { Provider } from '@retempo/activities/ports';
import { checkSites } from './check-sites.js';
import { readConfig } from './config.js';
import { configJsonSchema } from './config-json-schema.js';
import { openSite, type OnpremSite } from './site.js';

export { createLocalJobs, type LocalJobsOptions } from './jobs/local-jobs.js';
export {
  checkEndpointOptions,
  createOnpremServing,
  type EndpointOptions,
  type OnpremServing,
} from './serving/index.js';
export type { OnpremSite } from './site.js';

/** The provider of local sites. */
export interface OnpremProvider extends Provider {
  site(input: Parameters<Provider['site']>[0]): Promise<OnpremSite>;
}

/**
 * Sites on machines of one's own (`onprem.<name>`): jobs as supervised processes, serving by a weighted router in front
 * of ONNX model servers, counts from that router. Needs Linux and nothing else.
 */
export function onprem(): OnpremProvider {
  return {
    name: 'onprem',
    checkConfig: (config) => readConfig(config).problems,
    checkSites,
    configJsonSchema,
    // oxlint-disable-next-line require-await -- problems of the configuration must reject, not throw
    site: async (input) => openSite(input),
  };
}
