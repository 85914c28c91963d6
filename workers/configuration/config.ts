import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { z } from 'zod';
import { defaultLimits as workflowLimits } from '@retempo/workflows/contracts';
import type { configShape } from './config-schema.js';
import { absolutePath } from './paths.js';

/** Time limits and sizes that hold for the whole installation. */
export interface ConfiguredLimits {
  /** A waiting activity that is silent for this long is given to another worker. */
  readonly heartbeatMs: number;
  /** A pool whose queue nobody serves for this long hands over to the next. */
  readonly noWorkerAfterMs: number;
  /** A job that is queued for this long hands over to the next pool. */
  readonly capacityAfterMs: number;
  /** Time that activities get to finish when a worker is stopped. */
  readonly drainMs: number;
  /** How long a step waits for the worker that has its workflow in memory before any other may take it. */
  readonly stickyTimeoutMs: number;
  /** Workflows kept in the memory of one control worker; about 0.1 MiB each. */
  readonly cachedWorkflows: number;
}

/** `retempo.yaml` with every default filled in. */
export interface RetempoConfig {
  /** Absolute path of the project folder. */
  readonly folder: string;
  /** Absolute path; default `.retempo` in the project folder. */
  readonly stateFolder: string;
  readonly temporal: {
    /** `host:port`; default `127.0.0.1:7233`, where `retempo dev` serves. */
    readonly address: string;
    /** Default `default`. */
    readonly namespace: string;
    /** `secret:<name>`, or null. */
    readonly apiKey: string | null;
    /** Null = no TLS. Certificates and keys are `secret:<name>` references to PEM texts. */
    readonly tls: {
      readonly serverName: string | null;
      readonly serverCa: string | null;
      readonly clientCert: string | null;
      readonly clientKey: string | null;
    } | null;
  };
  /** `file:` address of the artifact store's root, ending in `/`; default `artifacts/` in the state folder. */
  readonly artifacts: string;
  /** Owner tag of this installation's jobs; default `retempo`. */
  readonly owner: string;
  /** Site entries by id, as their providers have checked them, in the order of the file. */
  readonly sites: { readonly [site: string]: unknown };
  readonly endpoints: { readonly [endpoint: string]: { readonly site: string } };
  /** File patterns of the model files; default `models/*.yaml`. */
  readonly models: readonly string[];
  /** Which files of the project folder belong to the programs; default everything but what never does. */
  readonly code: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  /** Loopback port of the workers' Prometheus metrics; null = off (default). */
  readonly metricsPort: number | null;
  readonly limits: ConfiguredLimits;
}

/** What `retempo.yaml` says, after the checks, before the defaults. Sections with problems are missing. */
export type ConfigInput = { readonly [K in keyof typeof configShape]?: z.output<(typeof configShape)[K]> };

/** Defaults of `limits`: what workflows assume without a configuration, and for the sticky time-out the SDK's own. */
export const limitDefaults: ConfiguredLimits = {
  heartbeatMs: workflowLimits.heartbeatMs,
  noWorkerAfterMs: workflowLimits.noWorkerMs,
  capacityAfterMs: workflowLimits.queuedMs,
  drainMs: 30_000,
  stickyTimeoutMs: 10_000,
  cachedWorkflows: 1_000,
};

/** Fills the defaults in. `defaultSite` is used when no site is configured. */
export function resolveConfig(
  input: ConfigInput,
  options: { readonly folder: string; readonly defaultSite: string }
): RetempoConfig {
  const { folder, defaultSite } = options;
  const stateFolder = absolutePath(input.state ?? '.retempo', folder);
  const artifacts =
    input.artifacts === undefined ? join(stateFolder, 'artifacts') : absolutePath(input.artifacts, folder);
  const { temporal = {}, limits = {} } = input;
  const metrics = input.metrics === undefined || input.metrics === 'none' ? null : input.metrics.port;
  return {
    folder,
    stateFolder,
    temporal: {
      address: temporal.address ?? '127.0.0.1:7233',
      namespace: temporal.namespace ?? 'default',
      apiKey: temporal.apiKey ?? null,
      tls:
        temporal.tls === undefined
          ? null
          : {
              serverName: temporal.tls.serverName ?? null,
              serverCa: temporal.tls.serverCa ?? null,
              clientCert: temporal.tls.clientCert ?? null,
              clientKey: temporal.tls.clientKey ?? null,
            },
    },
    artifacts: pathToFileURL(`${artifacts.replace(/\/+$/, '')}/`).href,
    owner: input.owner ?? 'retempo',
    sites: input.sites ?? { [defaultSite]: {} },
    endpoints: input.endpoints ?? {},
    models: typeof input.models === 'string' ? [input.models] : (input.models ?? ['models/*.yaml']),
    code: { include: input.code?.include ?? ['**'], exclude: input.code?.exclude ?? [] },
    metricsPort: metrics === 0 ? null : metrics,
    limits: {
      heartbeatMs: limits.heartbeat ?? limitDefaults.heartbeatMs,
      noWorkerAfterMs: limits.noWorkerAfter ?? limitDefaults.noWorkerAfterMs,
      capacityAfterMs: limits.capacityAfter ?? limitDefaults.capacityAfterMs,
      drainMs: limits.drain ?? limitDefaults.drainMs,
      stickyTimeoutMs: limits.stickyTimeout ?? limitDefaults.stickyTimeoutMs,
      cachedWorkflows: limits.cachedWorkflows ?? limitDefaults.cachedWorkflows,
    },
  };
}
