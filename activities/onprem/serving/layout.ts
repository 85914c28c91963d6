import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProcessIdentity } from '@retempo/activities/processes';

/** How one endpoint is reached and split. */
export interface EndpointOptions {
  /** Port of inference requests on 127.0.0.1; 0 (default) takes a free one and keeps it over restarts. */
  readonly dataPort?: number;
  /** Port of the router's own interface on 127.0.0.1; 0 (default) takes a free one and keeps it over restarts. */
  readonly adminPort?: number;
  /**
   * Keeps a unit on one version: by the value of a request header, or by the request `id`. Requests without it, and endpoints
   * without stickiness (default), are split exactly.
   */
  readonly stickiness?: { readonly header: string } | { readonly by: 'id' };
  /** Longest time one request may take in a model server, in milliseconds; default 10,000. */
  readonly requestTimeoutMs?: number;
  /** Size at which a new request log file is begun, in bytes; default 16 MiB. */
  readonly logRotateBytes?: number;
  /** Size of the request log from which its oldest files are removed, in bytes; default 4 GiB. */
  readonly logKeepBytes?: number;
}

/** What holds where an endpoint does not say. */
export const endpointDefaults = {
  dataPort: 0,
  adminPort: 0,
  requestTimeoutMs: 10_000,
  logRotateBytes: 16 * 1024 ** 2,
  logKeepBytes: 4 * 1024 ** 3,
} satisfies EndpointOptions;

/** What a router is started with: `config.json` in its state folder. */
export interface RouterConfig extends EndpointOptions {
  readonly v: 1;
  readonly endpoint: string;
}

/** The router process of an endpoint: `router.json` in its state folder, readable by its user only. */
export interface RouterProcess {
  readonly v: 1;
  readonly process: ProcessIdentity;
  readonly dataPort: number;
  readonly adminPort: number;
  /** Goes with every request to the admin port. */
  readonly token: string;
  /** True once the router has ended in order: nobody should start it again unasked. */
  readonly stopped: boolean;
  /** Model servers that were running; whoever takes over ends those that hang. */
  readonly servers: readonly ProcessIdentity[];
}

/** Names the last router that ran on a folder. */
export const lifeOf = (last: RouterProcess | null): string =>
  last === null ? 'none' : [last.process.boot, last.process.pid, last.process.started].join('/');

/** Exit code of a router when another one runs, or has run since, on its folder: whoever started it looks again. */
export const alreadyRunningExitCode = 3;

/** Where a router keeps what it knows, all under one folder. */
export const routerFiles = (folder: string) => ({
  folder,
  config: join(folder, 'config.json'),
  process: join(folder, 'router.json'),
  record: join(folder, 'endpoint.json'),
  claim: join(folder, 'claim'),
  versions: join(folder, 'versions'),
  counters: join(folder, 'counters'),
  units: join(folder, 'units'),
  requestLog: join(folder, 'requests'),
  logs: join(folder, 'logs'),
  routerLog: join(folder, 'logs', 'router.log'),
});

export type RouterFiles = ReturnType<typeof routerFiles>;

/** Path of a compiled program of this folder, also when this module itself runs from its source. */
export function programPath(name: 'router-main' | 'model-server-main'): string {
  const beside = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL(`../dist/serving/${name}.js`, import.meta.url));
}
