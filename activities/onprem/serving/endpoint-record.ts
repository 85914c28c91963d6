import type { ErrorClass, VersionId } from '@retempo/workflows/contracts';
import type { Share } from './split.js';

// What a router keeps of one endpoint, and the rules for changing it. Pure: time and readiness come in as values, so the
// rules are tested without a process, and the file that is written is exactly the value that was decided.

/** Versions that one endpoint holds at most; each is a process with its own memory. */
export const maxVersions = 8;

export interface DeployedVersion {
  readonly id: VersionId;
  /** Digest of the artifact. */
  readonly digest: string;
  /** SHA-256 of the list of files the version was materialized with. */
  readonly filesDigest: string;
  /** Key of the latest deployment; contains the release, so it salts the stickiness of that release. */
  readonly deployKey: string;
  /** Later deployments have higher numbers. */
  readonly order: number;
  readonly weight: number;
}

interface Lease {
  /** Epoch milliseconds. */
  readonly untilMs: number;
  readonly seconds: number;
  readonly fallback: VersionId;
}

interface TrafficChange {
  readonly revision: number;
  /** ISO 8601. */
  readonly at: string;
  readonly epoch: number;
  readonly reason: string;
  readonly weights: readonly Share[];
}

export interface EndpointRecord {
  readonly v: 1;
  readonly endpoint: string;
  readonly revision: number;
  readonly epoch: number;
  readonly nextOrder: number;
  readonly versions: readonly DeployedVersion[];
  /** Versions that were retired, newest last, so that an id never comes back with other bytes. */
  readonly retired: readonly { readonly id: VersionId; readonly digest: string }[];
  readonly lease: Lease | null;
  /** Latest changes of traffic, newest last. */
  readonly changes: readonly TrafficChange[];
}

export interface Refusal {
  readonly class: ErrorClass;
  readonly message: string;
  readonly retryAfterMs?: number;
}

export type Decision =
  { readonly ok: true; readonly record: EndpointRecord } | { readonly ok: false; readonly refusal: Refusal };

const keptChanges = 100;
const keptRetired = 10_000;

const refuse = (refusal: Refusal): Decision => ({ ok: false, refusal });
const accept = (record: EndpointRecord): Decision => ({ ok: true, record });

/** Text form of a revision, as seen outside. */
export const revisionName = (revision: number): string => `r${revision}`;

export const emptyRecord = (endpoint: string): EndpointRecord => ({
  v: 1,
  endpoint,
  revision: 0,
  epoch: 0,
  nextOrder: 1,
  versions: [],
  retired: [],
  lease: null,
  changes: [],
});

const findVersion = (record: EndpointRecord, id: VersionId) => record.versions.find((version) => version.id === id);

function staleEpoch(record: EndpointRecord, epoch: number): Decision | undefined {
  if (epoch >= record.epoch) return undefined;
  return refuse({
    class: 'Conflict',
    message: `${record.endpoint}: epoch ${epoch} is over, epoch ${record.epoch} has written since; read the state back, the older writer must stop`,
  });
}

/** A version at weight 0. The same version and digest again changes nothing but its key; another digest is refused. */
export function decideDeploy(
  record: EndpointRecord,
  input: {
    readonly key: string;
    readonly version: VersionId;
    readonly digest: string;
    readonly filesDigest: string;
    readonly epoch: number;
  }
): Decision {
  const stale = staleEpoch(record, input.epoch);
  if (stale !== undefined) return stale;
  const present = findVersion(record, input.version);
  const known = present ?? record.retired.find(({ id }) => id === input.version);
  if (known !== undefined && known.digest !== input.digest) {
    return refuse({
      class: 'Conflict',
      message: `${record.endpoint}: version ${input.version} is ${known.digest} and can never be ${input.digest}; give the new bytes a new version id`,
    });
  }
  if (present === undefined && record.versions.length >= maxVersions) {
    return refuse({
      class: 'QuotaExceeded',
      message: `${record.endpoint} holds ${maxVersions} versions already; retire one of ${record.versions.map(({ id }) => id).join(', ')}`,
    });
  }
  const deployed: DeployedVersion = {
    id: input.version,
    digest: input.digest,
    filesDigest: present?.filesDigest ?? input.filesDigest,
    deployKey: input.key,
    order: present?.deployKey === input.key ? present.order : record.nextOrder,
    weight: present?.weight ?? 0,
  };
  return accept({
    ...record,
    epoch: input.epoch,
    nextOrder: Math.max(record.nextOrder, deployed.order + 1),
    versions: [...record.versions.filter(({ id }) => id !== input.version), deployed],
    retired: record.retired.filter(({ id }) => id !== input.version),
  });
}

function withWeights(
  record: EndpointRecord,
  weights: ReadonlyMap<VersionId, number>,
  change: { readonly epoch: number; readonly nowMs: number; readonly reason: string }
): EndpointRecord {
  const versions = record.versions.map((version) => ({ ...version, weight: weights.get(version.id) ?? 0 }));
  const revision = record.revision + 1;
  const entry: TrafficChange = {
    revision,
    at: new Date(change.nowMs).toISOString(),
    epoch: change.epoch,
    reason: change.reason,
    weights: versions.map(({ id, weight }) => ({ version: id, weight })),
  };
  return {
    ...record,
    revision,
    epoch: change.epoch,
    versions,
    changes: [...record.changes, entry].slice(-keptChanges),
  };
}

/**
 * A full map of weights. Refused: weights that are not whole percents summing to 100, unknown versions, an older epoch, a
 * revision that is not current, and more weight for a version that is not ready. The same weights keep the revision.
 */
export function decideTraffic(
  record: EndpointRecord,
  input: {
    readonly weights: ReadonlyMap<VersionId, number>;
    readonly ifRevision: string;
    readonly epoch: number;
    readonly lease?: { readonly seconds: number; readonly fallback: VersionId } | undefined;
    readonly nowMs: number;
    readonly isReady: (version: VersionId) => boolean;
  }
): Decision {
  const stale = staleEpoch(record, input.epoch);
  if (stale !== undefined) return stale;
  const invalid = (message: string) => refuse({ class: 'InvalidSpec', message: `${record.endpoint}: ${message}` });
  const entries = [...input.weights];
  const wrong = entries.find(([, weight]) => !Number.isInteger(weight) || weight < 0 || weight > 100);
  if (wrong !== undefined)
    return invalid(`the weight of ${wrong[0]} must be a whole number from 0 to 100, got ${wrong[1]}`);
  const sum = entries.reduce((total, [, weight]) => total + weight, 0);
  if (sum !== 100) return invalid(`the weights must sum to exactly 100, got ${sum}`);
  const known = record.versions.map(({ id }) => id).join(', ') || 'none';
  const unknown = entries.find(([id]) => findVersion(record, id) === undefined);
  if (unknown !== undefined) return invalid(`there is no version ${unknown[0]}; deployed: ${known}`);
  if (input.lease !== undefined) {
    if (!(input.lease.seconds > 0 && input.lease.seconds <= 30 * 86_400)) {
      return invalid(`lease.seconds must be above 0 and at most 30 days, got ${input.lease.seconds}`);
    }
    if (findVersion(record, input.lease.fallback) === undefined) {
      return invalid(`lease.fallback ${input.lease.fallback} is not a deployed version; deployed: ${known}`);
    }
  }
  if (input.ifRevision !== revisionName(record.revision)) {
    return refuse({
      class: 'Conflict',
      message: `${record.endpoint} is at revision ${revisionName(record.revision)}, not ${input.ifRevision}; read the state back and decide again`,
    });
  }
  const early = record.versions.find(({ id, weight }) => (input.weights.get(id) ?? 0) > weight && !input.isReady(id));
  if (early !== undefined) {
    return refuse({
      class: 'Conflict',
      message: `${record.endpoint}: version ${early.id} is not ready and cannot be given more traffic; wait until it is`,
    });
  }
  const same = record.versions.every(({ id, weight }) => (input.weights.get(id) ?? 0) === weight);
  const next = same
    ? { ...record, epoch: input.epoch }
    : withWeights(record, input.weights, { epoch: input.epoch, nowMs: input.nowMs, reason: 'set' });
  const lease =
    input.lease === undefined ? null : { ...input.lease, untilMs: input.nowMs + input.lease.seconds * 1000 };
  return accept({ ...next, lease });
}

/** The record after its lease has run out at `nowMs`, or undefined while there is nothing to do. */
export function decideLease(record: EndpointRecord, nowMs: number): EndpointRecord | undefined {
  const { lease } = record;
  if (lease === null || nowMs < lease.untilMs) return undefined;
  const already = record.versions.every(({ id, weight }) => weight === (id === lease.fallback ? 100 : 0));
  if (already) return { ...record, lease: null };
  const reason = `lease of ${lease.seconds} s ran out at ${new Date(lease.untilMs).toISOString()}: nobody renewed it, ${lease.fallback} has all traffic`;
  const weights = new Map([[lease.fallback, 100]]);
  return { ...withWeights(record, weights, { epoch: record.epoch, nowMs, reason }), lease: null };
}

/** Takes a version out. Refused while it has weight or is the fallback of a lease; unknown and retired ones stay gone. */
export function decideRetire(
  record: EndpointRecord,
  input: { readonly version: VersionId; readonly epoch: number }
): Decision {
  const stale = staleEpoch(record, input.epoch);
  if (stale !== undefined) return stale;
  const present = findVersion(record, input.version);
  if (present === undefined) return accept({ ...record, epoch: input.epoch });
  if (present.weight > 0) {
    return refuse({
      class: 'Conflict',
      message: `${record.endpoint}: version ${input.version} has ${present.weight} % of the traffic and cannot be retired; move its traffic first`,
    });
  }
  if (record.lease?.fallback === input.version) {
    return refuse({
      class: 'Conflict',
      message: `${record.endpoint}: version ${input.version} is what the running lease falls back to and cannot be retired; end the lease first`,
    });
  }
  return accept({
    ...record,
    epoch: input.epoch,
    versions: record.versions.filter(({ id }) => id !== input.version),
    retired: [...record.retired, { id: present.id, digest: present.digest }].slice(-keptRetired),
  });
}
