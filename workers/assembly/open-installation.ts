import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import {
  createControlActivities,
  createDataActivities,
  createFileStore,
  createJobActivities,
  createRegistry,
  createServingActivities,
  createStores,
  materialize,
  sealFolder,
  type Registry,
  type Stores,
} from '@retempo/activities';
import {
  PortError,
  type ArtifactStore,
  type Provider,
  type ProviderContext,
  type Site,
} from '@retempo/activities/ports';
import { makeFolder } from '@retempo/activities/processes';
import { defaultLimits, type Installation, type JobActivities, type SiteRole } from '@retempo/workflows/contracts';
import type { RetempoConfig } from '../configuration/config.js';
import { environmentSecrets } from './secrets.js';

/** Input of {@link openInstallation}. */
export interface OpenInstallationOptions {
  readonly project: { readonly config: RetempoConfig };
  /** Opens the sites of the configuration; each site needs the provider that its name begins with. */
  readonly providers: readonly Provider[];
  /** Sites to open, by id; default all of the configuration. */
  readonly sites?: readonly string[];
  /** Resolves `secret:<name>`; default: environment variables, see {@link environmentSecrets}. */
  readonly secret?: (name: string) => Promise<string>;
}

/** Implementations per queue, as `createWorkers` takes them. */
export interface InstallationActivities {
  readonly control: object;
  site(site: Site, role: SiteRole): object;
}

/** What one installation is made of, opened. */
export interface OpenInstallation {
  /** What every workflow of the installation is told. */
  readonly installation: Installation;
  /** Artifact store of the installation: versions, snapshots, evidence, histories, and the registry. */
  readonly store: ArtifactStore;
  /** Every store that artifacts may lie in: the installation's and those of its sites. */
  readonly stores: Stores;
  readonly registry: Registry;
  readonly sites: readonly Site[];
  /** The activities of all queues; the client is asked about releases and their histories. */
  activities(options: { readonly client: Client }): InstallationActivities;
  /** Closes the sites. Jobs and endpoints go on. */
  close(): Promise<void>;
}

/** What workflows are told of the limits in `retempo.yaml`. */
export const installationOf = (config: Pick<RetempoConfig, 'owner' | 'limits'>): Installation => ({
  owner: config.owner,
  limits: {
    ...defaultLimits,
    heartbeatMs: config.limits.heartbeatMs,
    noWorkerMs: config.limits.noWorkerAfterMs,
    queuedMs: config.limits.capacityAfterMs,
  },
});

/**
 * Opens the stores, the registry and the sites of a checked project. Starts nothing: no job, no endpoint, no worker.
 *
 * @throws PortError what a provider finds wrong with a site; sites that were already open are closed then.
 */
export async function openInstallation(options: OpenInstallationOptions): Promise<OpenInstallation> {
  const { config } = options.project;
  const store = openStore(config);
  const sites: Site[] = [];
  const close = async () => {
    await Promise.allSettled(sites.map((site) => site.close()));
  };
  // The sites' own stores are known only when all are open, and no site downloads anything before that.
  let stores = createStores([store]);
  const context: ProviderContext = {
    stateFolder: config.stateFolder,
    materialize: (ref, folder, call) => materialize({ stores, ref, folder }, call),
    secret: options.secret ?? environmentSecrets(),
  };
  try {
    for (const [id, entry] of Object.entries(config.sites)) {
      if (options.sites !== undefined && !options.sites.includes(id)) continue;
      const provider = options.providers.find(({ name }) => name === id.split('.')[0]);
      if (provider === undefined)
        throw new Error(
          `no provider for ${id}; known: ${options.providers.map(({ name }) => name).join(', ')}; pass it to openInstallation, or correct sites in retempo.yaml`
        );
      sites.push(await provider.site({ id, config: entry ?? {}, context }));
    }
    stores = createStores([store, ...sites.flatMap((site) => (site.store === undefined ? [] : [site.store]))]);
  } catch (error) {
    await close();
    throw error;
  }
  const registry = createRegistry({ store });
  const installation = installationOf(config);
  const opened = { installation, store, stores, registry, sites, close };
  return { ...opened, activities: ({ client }) => activitiesOf(opened, client) };
}

/** The default store is made; one that was named has to exist, so that an unmounted disk is not taken for an empty one. */
function openStore(config: RetempoConfig): ArtifactStore {
  const root = fileURLToPath(config.artifacts);
  if (root.startsWith(join(config.stateFolder, sep))) {
    try {
      makeFolder(root, 0o700);
    } catch (error) {
      const why = `the state folder ${config.stateFolder} cannot be used (${(error as Error).message})`;
      throw new PortError('InvalidSpec', `state: ${why}; name one that can be written`);
    }
  }
  return createFileStore({ root });
}

function activitiesOf(opened: Omit<OpenInstallation, 'activities'>, client: Client): InstallationActivities {
  const { store, stores, registry, installation } = opened;
  const control = createControlActivities({ client, registry, stores, store });
  const describeRelease = async (releaseId: string) => (await control.describeRelease({ releaseId })).state;
  const jobsOf = (site: Site) =>
    site.jobs === undefined
      ? undefined
      : createJobActivities({
          backend: site.jobs,
          store: site.store ?? store,
          seal: sealFolder,
          owner: installation.owner,
          describeRelease,
        });
  const roles: { readonly [role in SiteRole]: (site: Site) => object } = {
    jobs(site) {
      const jobs = jobsOf(site);
      return jobs === undefined ? {} : pick(jobs, ['submitJob', 'stopJob', 'reapJobs']);
    },
    wait(site) {
      const jobs = jobsOf(site);
      return jobs === undefined ? {} : pick(jobs, ['awaitJob']);
    },
    data(site) {
      const jobs = jobsOf(site);
      const data = createDataActivities({
        registry,
        stores,
        store: site.store ?? store,
        metrics: site.metrics ?? null,
      });
      return { ...data, ...(jobs === undefined ? {} : pick(jobs, ['collectOutput'])) };
    },
    serving({ serving, metrics }) {
      return serving === undefined || metrics === undefined
        ? {}
        : createServingActivities({ serving, metrics, registry });
    },
  };
  return { control, site: (site, role) => roles[role](site) };
}

const pick = (jobs: JobActivities, names: readonly (keyof JobActivities)[]): object =>
  Object.fromEntries(Object.entries(jobs).filter(([name]) => names.some((one) => one === name)));
