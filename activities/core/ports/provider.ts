import type { ArtifactRef } from '@retempo/workflows/contracts';
import type { ArtifactStore } from './artifact-store.js';
import type { Call } from './call.js';
import type { JobBackend } from './job-backend.js';
import type { MetricsSource } from './metrics-source.js';
import type { ServingBackend } from './serving-backend.js';

/** Something that will not work, found before it is needed. */
export interface Problem {
  readonly where: string;
  readonly message: string;
}

/** Accelerators of one kind at a site. */
export interface Pool {
  readonly name: string;
  /** Jobs that may run at once. */
  readonly slots: number;
}

/** What a provider is given by its host. */
export interface ProviderContext {
  /** Folder for the provider's own state. */
  readonly stateFolder: string;
  /**
   * Downloads an artifact into an empty folder and verifies every byte; throws class `Integrity` otherwise. What it has
   * brought is on the disk when it returns.
   */
  materialize(ref: ArtifactRef, folder: string, call: Call): Promise<void>;
  /** Resolves `secret:<name>`; throws class `AuthDenied` when unknown. */
  secret(name: string): Promise<string>;
}

export interface Site {
  /** `<provider>.<name>`. */
  readonly id: string;
  readonly jobs?: JobBackend;
  readonly serving?: ServingBackend;
  readonly metrics?: MetricsSource;
  readonly store?: ArtifactStore;
  readonly pools: readonly Pool[];
  /** Checks that the site can do its work; an empty list means it can. */
  probe(call: Call): Promise<readonly Problem[]>;
  close(): Promise<void>;
}

/** One cloud or one kind of premises. `workers` is handed these objects and names none. */
export interface Provider {
  /** First part of its site ids. */
  readonly name: string;
  /** Opens one configured site; `config` is the site's entry in `retempo.yaml`, already checked by {@link checkConfig}. */
  site(input: { readonly id: string; readonly config: unknown; readonly context: ProviderContext }): Promise<Site>;
  /** Everything that is wrong with a site's configuration, as `{ path, expected }`; an empty list means nothing. */
  checkConfig(config: unknown): readonly { readonly path: readonly (string | number)[]; readonly message: string }[];
  /**
   * Everything that is wrong between this provider's sites, such as a folder that two share; paths begin with the site's id.
   * `ports`: loopback ports that the configuration gives to something else, by the key that does.
   */
  checkSites?(
    sites: { readonly [id: string]: unknown },
    context: { readonly stateFolder: string; readonly ports: { readonly [key: string]: number } }
  ): readonly { readonly path: readonly (string | number)[]; readonly message: string }[];
  /** JSON Schema (draft 2020-12) of a site's entry, for editors. */
  configJsonSchema?(): object;
}
