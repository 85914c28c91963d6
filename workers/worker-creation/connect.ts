import { NativeConnection, Runtime } from '@temporalio/worker';
import type { NativeConnectionOptions } from '@temporalio/worker';
import type { RetempoConfig } from '../configuration/config.js';

let installedFor: number | null | undefined;

/**
 * Installs the SDK's runtime of this process with Prometheus metrics on `http://127.0.0.1:<port>/metrics`, or without
 * metrics (null). Has to come before the first connection; a second call with the same port changes nothing.
 *
 * Throws an Error when the port is in use, or when the runtime was already installed differently.
 */
export function installRuntime(options: { readonly metricsPort: number | null }): void {
  if (installedFor === options.metricsPort) return;
  if (installedFor !== undefined) {
    throw new Error(
      `worker metrics were set up for port ${installedFor ?? 'none'} and cannot change to ` +
        `${options.metricsPort ?? 'none'} in a running process; restart it`
    );
  }
  if (options.metricsPort !== null) {
    const bindAddress = `127.0.0.1:${options.metricsPort}`;
    try {
      Runtime.install({ telemetryOptions: { metrics: { prometheus: { bindAddress } } } });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `worker metrics cannot be served at ${bindAddress} (${reason}); choose another metrics.port in retempo.yaml, or none`,
        { cause: error }
      );
    }
  }
  installedFor = options.metricsPort;
}

/**
 * Connects to the Temporal service of the configuration, for {@link createWorkers}; installs the runtime before that.
 *
 * Throws an Error with the address and the next step when nothing answers there, or when a secret is unknown.
 */
export async function connectWorkers(options: {
  readonly config: Pick<RetempoConfig, 'temporal' | 'metricsPort'>;
  /** Resolves a `secret:<name>` of the configuration, such as the API key. */
  readonly secret?: (name: string) => Promise<string>;
  /** Passed to every Worker and Client on this connection. */
  readonly plugins?: NativeConnectionOptions['plugins'];
}): Promise<NativeConnection> {
  const { temporal, metricsPort } = options.config;
  const secretOf = async (reference: string): Promise<string> => {
    if (options.secret === undefined)
      throw new Error(
        `no secrets are available to resolve ${reference}; pass connectWorkers({ secret }), such as environmentSecrets()`
      );
    return options.secret(reference.replace(/^secret:/, ''));
  };
  const apiKey = temporal.apiKey === null ? undefined : await secretOf(temporal.apiKey);
  const tls = temporal.tls === null ? undefined : await tlsOf(temporal.tls, secretOf);
  // The runtime ends with the last connection: one that never gets any would keep the process from ending.
  installRuntime({ metricsPort });
  return NativeConnection.connect({
    address: temporal.address,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(tls === undefined ? {} : { tls }),
    ...(options.plugins === undefined ? {} : { plugins: options.plugins }),
  }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `nothing usable answers at ${temporal.address} (${reason}); start one with "retempo dev", ` +
        'or correct temporal.address in retempo.yaml',
      { cause: error }
    );
  });
}

async function tlsOf(
  tls: Exclude<RetempoConfig['temporal']['tls'], null>,
  secretOf: (reference: string) => Promise<string>
): Promise<Exclude<NativeConnectionOptions['tls'], undefined>> {
  const bytes = async (reference: string): Promise<Buffer> => Buffer.from(await secretOf(reference), 'utf8');
  return {
    ...(tls.serverName === null ? {} : { serverNameOverride: tls.serverName }),
    ...(tls.serverCa === null ? {} : { serverRootCACertificate: await bytes(tls.serverCa) }),
    ...(tls.clientCert === null || tls.clientKey === null
      ? {}
      : { clientCertPair: { crt: await bytes(tls.clientCert), key: await bytes(tls.clientKey) } }),
  };
}
