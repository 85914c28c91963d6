import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { VersionId } from '@retempo/workflows/contracts';
import type { ProcessIdentity } from '@retempo/activities/processes';
import type { DeployedVersion, EndpointRecord } from './endpoint-record.js';
import { inputsDiffer } from './input-compatibility.js';
import { programPath, type RouterFiles } from './layout.js';
import { type ModelServerMetadata, superviseModelServer, type SupervisedServer } from './supervisor.js';
import type { Upstream } from './upstream.js';

const drainPollMs = 20;

/** The model servers of one endpoint. */
export interface Fleet {
  /** Starts the server of a version that has none. */
  ensure(version: DeployedVersion): void;
  upstreamOf(version: VersionId): Upstream | undefined;
  metadataOf(version: VersionId): ModelServerMetadata | undefined;
  /** Whether a version may be given traffic, and if not, why. */
  readiness(record: EndpointRecord, version: VersionId): { readonly ready: boolean; readonly problem?: string };
  identities(): readonly ProcessIdentity[];
  /** Versions that are on their way out. */
  draining(): ReadonlySet<VersionId>;
  /** Lets the requests on the way finish, ends the server and removes the version's folder. */
  retire(version: VersionId): Promise<void>;
  stop(): Promise<void>;
}

/** Opens the (still empty) fleet of an endpoint. `onChange` is called when a server came or went. */
export function openFleet(options: {
  readonly endpoint: string;
  readonly files: RouterFiles;
  readonly maxBodyBytes: number;
  readonly onChange: () => void;
  readonly onProblem: (message: string) => void;
}): Fleet {
  const { endpoint, files } = options;
  const servers = new Map<VersionId, SupervisedServer>();
  const draining = new Set<VersionId>();

  async function end(version: VersionId, server: SupervisedServer): Promise<void> {
    // Each has a deadline of its own, and a server that hangs is ended before.
    while ((server.upstream()?.inFlight() ?? 0) > 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, drainPollMs);
      });
    }
    await server.stop();
    servers.delete(version);
    rmSync(join(files.versions, version), { recursive: true, force: true });
  }

  return {
    ensure: (version) => {
      if (servers.has(version.id)) return;
      const server = superviseModelServer({
        program: programPath('model-server-main'),
        arguments: [
          `--folder=${join(files.versions, version.id)}`,
          `--files-digest=${version.filesDigest}`,
          `--model=${endpoint}`,
          `--version=${version.id}`,
          `--max-body-bytes=${options.maxBodyBytes}`,
        ],
        metadataPath: `/v2/models/${endpoint}`,
        logFile: join(files.logs, `${version.id}.log`),
        // Answers carry every output as text and may be larger than what was asked.
        maxBodyBytes: options.maxBodyBytes * 4,
        onChange: options.onChange,
        log: (message) => options.onProblem(`${version.id}: ${message}`),
      });
      servers.set(version.id, server);
      // Its process was started before it was in the list.
      options.onChange();
    },
    upstreamOf: (version) => servers.get(version)?.upstream(),
    metadataOf: (version) => servers.get(version)?.metadata(),
    readiness: (record, version) => {
      const server = servers.get(version);
      if (server === undefined || !server.isReady()) {
        return { ready: false, problem: server?.problem() ?? 'the model server was not started' };
      }
      const [heaviest] = record.versions.filter(({ weight }) => weight > 0).sort((a, b) => b.weight - a.weight);
      if (heaviest === undefined || heaviest.id === version) return { ready: true };
      const difference = inputsDiffer(servers.get(heaviest.id)?.metadata(), server.metadata(), heaviest.id);
      return difference === undefined ? { ready: true } : { ready: false, problem: difference };
    },
    identities: () => [...servers.values()].flatMap((server) => server.identity() ?? []),
    draining: () => draining,
    retire: async (version) => {
      const server = servers.get(version);
      if (server === undefined) return;
      draining.add(version);
      try {
        await end(version, server);
      } catch (error) {
        options.onProblem(`retiring ${version}: ${(error as Error).message}`);
      } finally {
        draining.delete(version);
        options.onChange();
      }
    },
    stop: async () => {
      await Promise.all([...servers.values()].map((server) => server.stop()));
      servers.clear();
    },
  };
}
