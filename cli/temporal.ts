import { connect } from 'node:net';
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { findDevServer, type RetempoConfig } from '@retempo/workers';
import { CliError, exitCode, failureOf, messageOf } from './failure.js';
import type { Io } from './io.js';

/** Where Temporal is, and who said so. */
export interface TemporalPlace {
  /** `host:port`. */
  readonly address: string;
  readonly namespace: string;
  /** Start of the Web UI's addresses, or null when none is known. */
  readonly uiUrl: string | null;
  readonly from: 'option' | 'environment' | 'dev server' | 'retempo.yaml';
}

/** An open connection for commands. */
export interface Temporal extends TemporalPlace {
  readonly client: Client;
  close(): Promise<void>;
}

/** What a list is asked for that shall name every workflow that has not ended, whoever has paused it. */
export const openOnly = 'CloseTime IS NULL';

/** Whether a workflow of this status has not ended: one that somebody has paused goes on where it was. */
export const isOpen = (status: string): boolean => status === 'RUNNING' || status === 'PAUSED';

/** Longest wait for a server's first answer, in milliseconds. */
const connectTimeoutMs = 5_000;

/**
 * Finds the server: `--address`, then `TEMPORAL_ADDRESS`, then the dev server that runs on this project's state folder,
 * then `temporal.address` of `retempo.yaml`. A running dev server comes before the file, so that what one tries out at a
 * desk never reaches the server that the file names.
 */
export async function findTemporal(input: {
  readonly io: Io;
  readonly address: string | undefined;
  readonly namespace: string | undefined;
  readonly config: Pick<RetempoConfig, 'temporal' | 'stateFolder'> | null;
}): Promise<TemporalPlace> {
  const { io, config } = input;
  const environmentNamespace = nonEmpty(io.env['TEMPORAL_NAMESPACE']);
  const namespace = input.namespace ?? environmentNamespace ?? config?.temporal.namespace ?? 'default';
  const uiUrl = nonEmpty(io.env['TEMPORAL_UI']) ?? null;
  if (input.address !== undefined)
    return { address: checkedAddress(input.address, '--address'), namespace, uiUrl, from: 'option' };
  const named = nonEmpty(io.env['TEMPORAL_ADDRESS']);
  if (named !== undefined)
    return { address: checkedAddress(named, 'TEMPORAL_ADDRESS'), namespace, uiUrl, from: 'environment' };
  const running = config === null ? null : await findDevServer(config.stateFolder);
  if (running !== null) {
    const { address, namespace: own, uiUrl: ui } = running;
    return { address, namespace: input.namespace ?? own, uiUrl: ui, from: 'dev server' };
  }
  return { address: config?.temporal.address ?? '127.0.0.1:7233', namespace, uiUrl, from: 'retempo.yaml' };
}

/** Throws when a text that was given by hand is no `host:port`. */
export function checkedAddress(address: string, from: '--address' | 'TEMPORAL_ADDRESS'): string {
  const [, port] = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(address) ?? [];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return address;
  const scheme = address.includes('://') ? ', without http:// and the like' : '';
  throw new CliError(
    exitCode.usage,
    'address',
    `${from}: expected host:port, such as 127.0.0.1:7233${scheme}, got ${JSON.stringify(address.slice(0, 80))}`
  );
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** Credentials of a server, resolved. */
export interface TemporalAccess {
  readonly apiKey?: string;
  readonly tls?: {
    readonly serverNameOverride?: string;
    readonly serverRootCACertificate?: Buffer;
    readonly clientCertPair?: { readonly crt: Buffer; readonly key: Buffer };
  };
}

/** What a server asks of its callers. The dev server asks nothing, and what belongs to the server of the file is not its. */
export const credentialsFor = (place: Pick<TemporalPlace, 'from'>, { apiKey, tls }: Credentials): Credentials =>
  place.from === 'dev server' ? { apiKey: null, tls: null } : { apiKey, tls };

type Credentials = Pick<RetempoConfig['temporal'], 'apiKey' | 'tls'>;

/** Resolves the secrets that `temporal` of `retempo.yaml` names. */
export async function temporalAccess(
  temporal: Credentials,
  secret: (name: string) => Promise<string>
): Promise<TemporalAccess> {
  const text = (reference: string) => secret(reference.replace(/^secret:/, ''));
  const pem = async (reference: string) => Buffer.from(await text(reference));
  const { apiKey, tls } = temporal;
  return {
    ...(apiKey === null ? {} : { apiKey: await text(apiKey) }),
    ...(tls === null
      ? {}
      : {
          tls: {
            ...(tls.serverName === null ? {} : { serverNameOverride: tls.serverName }),
            ...(tls.serverCa === null ? {} : { serverRootCACertificate: await pem(tls.serverCa) }),
            ...(tls.clientCert === null || tls.clientKey === null
              ? {}
              : { clientCertPair: { crt: await pem(tls.clientCert), key: await pem(tls.clientKey) } }),
          },
        }),
  };
}

/** Connects; one clear message when nobody answers. */
export async function connectTemporal(place: TemporalPlace, access: TemporalAccess): Promise<Temporal> {
  const { address, namespace } = place;
  try {
    await refuseDeadAddress(address);
    const connection = await connected({ address, connectTimeout: connectTimeoutMs, ...access });
    return {
      ...place,
      client: new Client({ connection, namespace, identity: `retempo ${process.pid}` }),
      close: () => connection.close(),
    };
  } catch (error) {
    // A server that refuses has answered: to start another one would not help.
    const said = failureOf(error);
    if (said.code === 'noAccess') throw new CliError(said.exitCode, said.code, said.message, error);
    throw new CliError(
      exitCode.away,
      'unavailable',
      `no Temporal server answers at ${address} (${whereFrom[place.from]}); start one with: retempo dev, or name another with --address`,
      new Error(messageOf(error), { cause: error })
    );
  }
}

/** Of what does not connect nothing stays open: gRPC would go on trying. */
async function connected(options: ConnectionOptions): Promise<Connection> {
  const connection = Connection.lazy(options);
  try {
    await connection.ensureConnected();
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Asked first, because gRPC keeps trying an address where nothing listens until its time is up. */
function refuseDeadAddress(address: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port), timeout: connectTimeoutMs });
    const done = (settle: () => void) => {
      socket.destroy();
      settle();
    };
    socket.once('connect', () => done(resolve));
    socket.once('timeout', () => done(resolve));
    socket.once('error', (error) => done(() => reject(error)));
  });
}

const whereFrom: { readonly [from in TemporalPlace['from']]: string } = {
  option: 'named by --address',
  environment: 'named by TEMPORAL_ADDRESS',
  'dev server': 'the dev server of this project',
  'retempo.yaml': 'temporal.address of retempo.yaml, or its default',
};

/** Page of a workflow in the Web UI, or null when no Web UI is known. */
export const workflowUrl = (
  place: Pick<TemporalPlace, 'uiUrl' | 'namespace'>,
  workflowId: string,
  runId?: string
): string | null =>
  place.uiUrl === null
    ? null
    : `${place.uiUrl}/namespaces/${place.namespace}/workflows/${encodeURIComponent(workflowId)}${runId === undefined ? '' : `/${runId}`}`;
