import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ArmsReading, EndpointState, VersionId } from '@retempo/workflows/contracts';
import { createJson, readJson, replaceJson } from '../jobs/atomic-file.js';
import type { Counters } from './counters.js';
import {
  decideDeploy,
  decideLease,
  decideRetire,
  decideTraffic,
  type Decision,
  emptyRecord,
  type EndpointRecord,
  type Refusal,
  revisionName,
} from './endpoint-record.js';
import type { Fleet } from './fleet.js';
import type { RouterFiles } from './layout.js';
import type { RequestLog } from './request-log.js';
import type { Traffic } from './traffic.js';
import type { UnitCounts } from './unit-counts.js';
import { recordFile } from './version-folder.js';

/** What a router says about its endpoint, beyond what the serving port asks for. */
export interface RouterState extends EndpointState {
  readonly endpoint: string;
  readonly lease: EndpointRecord['lease'];
  readonly changes: EndpointRecord['changes'];
  readonly log: { readonly glob: string; readonly lostLines: number };
  /** The last thing that went wrong inside the router itself. */
  readonly problem: string | null;
}

/** Result of a change: the state after it, and why it was refused if it was. */
export interface Changed {
  readonly state: RouterState;
  readonly refusal?: Refusal;
}

/** Everything that can be asked of a router. A change is stored before it is applied, and applied before it is answered. */
export interface Control {
  describe(): RouterState;
  deploy(input: {
    readonly key: string;
    readonly version: VersionId;
    readonly digest: string;
    readonly filesDigest: string;
    readonly epoch: number;
  }): Changed;
  setTraffic(input: {
    readonly weights: ReadonlyMap<VersionId, number>;
    readonly ifRevision: string;
    readonly epoch: number;
    readonly lease?: { readonly seconds: number; readonly fallback: VersionId } | undefined;
  }): Changed;
  retire(input: { readonly version: VersionId; readonly epoch: number }): Changed;
  readArms(query: {
    readonly versions: readonly VersionId[];
    readonly revisions?: readonly number[] | undefined;
    readonly slowOverMs?: number | undefined;
  }): Promise<ArmsReading>;
  /** Writes the request log out and says where it is. */
  flushLog(): Promise<RouterState['log']>;
  /** Applies the fallback when the lease has run out at `nowMs`. */
  checkLease(nowMs: number): void;
}

/** Takes over the endpoint that is stored in the folder, or begins an empty one; applies a lease that ran out meanwhile. */
export function openControl(options: {
  readonly endpoint: string;
  readonly files: RouterFiles;
  readonly fleet: Fleet;
  readonly counters: Counters;
  readonly requestLog: RequestLog;
  readonly traffic: Pick<Traffic, 'apply'>;
  /** Units, where requests of one unit stay on one version; else null. */
  readonly units: Pick<UnitCounts, 'read' | 'flush'> | null;
  readonly problem: () => string | null;
  readonly onProblem: (message: string) => void;
}): Control {
  const { endpoint, files, fleet, counters, requestLog, traffic } = options;
  let record = (readJson(files.record) as EndpointRecord | null) ?? emptyRecord(endpoint);
  createJson(files.record, record);

  // A lease ends by the wall clock, which goes on while the router is down, or by the monotonic one, whichever is first: setting the
  // wall clock back does not prolong it.
  let leaseEndsMs = Infinity;

  function apply(next: EndpointRecord): void {
    record = next;
    leaseEndsMs = next.lease === null ? Infinity : performance.now() + next.lease.untilMs - Date.now();
    for (const version of record.versions) fleet.ensure(version);
    traffic.apply(record);
  }

  function checkLease(nowMs: number): void {
    const { lease } = record;
    if (lease === null || (nowMs < lease.untilMs && performance.now() < leaseEndsMs)) return;
    const next = decideLease(record, Math.max(nowMs, lease.untilMs));
    if (next === undefined) return;
    // The fallback holds in memory even if the disk is full: the stored lease has run out too, so a restart decides the same.
    apply(next);
    try {
      replaceJson(files.record, next);
    } catch (error) {
      options.onProblem(`${files.record}: ${(error as Error).message}`);
    }
  }

  function describe(): RouterState {
    const versions = record.versions.map(({ id, weight }) => {
      const { ready, problem } = fleet.readiness(record, id);
      return [id, { weight, ready: ready ? 1 : 0, ...(problem === undefined ? {} : { problem }) }] as const;
    });
    return {
      endpoint,
      revision: revisionName(record.revision),
      epoch: record.epoch,
      busy: fleet.draining().size > 0,
      versions: Object.fromEntries(versions),
      lease: record.lease,
      changes: record.changes,
      log: { glob: requestLog.glob, lostLines: requestLog.lost() },
      problem: options.problem(),
    };
  }

  const refused = (refusal: Refusal): Changed => ({ refusal, state: describe() });

  function change(decision: Decision): Changed {
    if (!decision.ok) return refused(decision.refusal);
    replaceJson(files.record, decision.record);
    apply(decision.record);
    return { state: describe() };
  }

  apply(record);
  checkLease(Date.now());

  return {
    checkLease,
    describe: () => {
      checkLease(Date.now());
      return describe();
    },
    deploy: (input) => {
      checkLease(Date.now());
      const { version } = input;
      if (fleet.draining().has(version)) {
        const message = `${endpoint}: ${version} is being retired; deploy it again in a second`;
        return refused({ class: 'Throttled', message, retryAfterMs: 1_000 });
      }
      const decision = decideDeploy(record, input);
      const folder = join(files.versions, version);
      if (decision.ok && !existsSync(join(folder, recordFile))) {
        return refused({ class: 'NotFound', message: `${folder} is missing; materialize the version first` });
      }
      return change(decision);
    },
    setTraffic: (input) => {
      const nowMs = Date.now();
      checkLease(nowMs);
      const isReady = (version: VersionId) => fleet.readiness(record, version).ready;
      return change(decideTraffic(record, { ...input, nowMs, isReady }));
    },
    retire: (input) => {
      checkLease(Date.now());
      const wasThere = record.versions.some(({ id }) => id === input.version);
      const changed = change(decideRetire(record, input));
      if (changed.refusal !== undefined || !wasThere) return changed;
      void fleet.retire(input.version);
      return { state: describe() };
    },
    readArms: async ({ versions, revisions, slowOverMs }) => {
      const known = new Set([...record.versions, ...record.retired].map(({ id }) => id));
      const watermark = new Date().toISOString();
      const { units } = options;
      // Over all revisions a unit may well have been on both versions: units are counted within a step.
      const exposed = units === null || revisions === undefined ? null : units.read(versions, revisions);
      const arms = versions.map((version) => {
        const counts = known.has(version) ? counters.read({ version, revisions, slowOverMs }) : null;
        if (counts === null || units === null) return [version, counts] as const;
        return [version, { ...counts, units: exposed?.units?.[version] ?? null }] as const;
      });
      // What is told was stored before, so that counts never fall, not even after a crash.
      await Promise.all([counters.flush(), units?.flush()]).catch((error: unknown) => {
        throw new Error(
          `${(error as Error).message}: counts that a crash could take back are not told; make ${files.counters} and ${files.units} take files again, then repeat the call`,
          { cause: error }
        );
      });
      const mixed = exposed === null ? {} : { mixedUnits: exposed.mixed };
      return { complete: true, watermark, ...mixed, arms: Object.fromEntries(arms) };
    },
    flushLog: async () => {
      await requestLog.flush();
      return describe().log;
    },
  };
}
