import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideDeploy,
  decideLease,
  decideRetire,
  decideTraffic,
  type Decision,
  emptyRecord,
  type EndpointRecord,
  maxVersions,
  revisionName,
} from './endpoint-record.js';

const accepted = (decision: Decision): EndpointRecord => {
  if (!decision.ok) throw new Error(decision.refusal.message);
  return decision.record;
};
const refusedAs = (decision: Decision) => (decision.ok ? undefined : decision.refusal.class);

const deploy = (record: EndpointRecord, version: string, epoch = 1) =>
  decideDeploy(record, { key: `key-${version}`, version, digest: `digest-${version}`, filesDigest: 'f', epoch });

const traffic = (
  record: EndpointRecord,
  weights: { readonly [version: string]: number },
  extra: Partial<Parameters<typeof decideTraffic>[1]> = {}
) =>
  decideTraffic(record, {
    weights: new Map(Object.entries(weights)),
    ifRevision: revisionName(record.revision),
    epoch: 1,
    nowMs: 1_000,
    isReady: () => true,
    ...extra,
  });

const two = (): EndpointRecord => {
  const deployed = accepted(deploy(accepted(deploy(emptyRecord('e'), 'v1')), 'v2'));
  return accepted(traffic(deployed, { v1: 100 }));
};

describe('rules of an endpoint', () => {
  it('gives more traffic to ready versions only, and takes it away from any', () => {
    const isReady = (version: string) => version === 'v1';
    expect(refusedAs(traffic(two(), { v1: 95, v2: 5 }, { isReady }))).toBe('Conflict');
    const split = accepted(traffic(two(), { v1: 50, v2: 50 }));
    expect(refusedAs(traffic(split, { v1: 90, v2: 10 }, { isReady }))).toBeUndefined();
  });

  it('falls back when the lease runs out, exactly then, once, with the reason', () => {
    const leased = accepted(traffic(two(), { v1: 75, v2: 25 }, { lease: { seconds: 10, fallback: 'v1' } }));
    expect(decideLease(leased, 10_999)).toBeUndefined();
    const after = decideLease(leased, 11_000);
    expect(after?.versions.map(({ id, weight }) => [id, weight])).toEqual([
      ['v1', 100],
      ['v2', 0],
    ]);
    expect(after?.revision).toBe(leased.revision + 1);
    expect(after?.changes.at(-1)?.reason).toContain('lease of 10 s ran out');
    expect(after && decideLease(after, 1e12)).toBeUndefined();
  });

  it('keeps the revision and its counts when a lease runs out on a split that is the fallback already', () => {
    const leased = accepted(traffic(two(), { v1: 100 }, { lease: { seconds: 1, fallback: 'v1' } }));
    expect(decideLease(leased, 1e9)).toEqual({ ...leased, lease: null });
  });

  it('the same weights are no new revision, in whatever order and with or without those of weight 0', () => {
    for (const weights of [{ v1: 100 }, { v2: 0, v1: 100 }]) {
      const again = accepted(traffic(two(), weights));
      expect([again.revision, again.changes]).toEqual([two().revision, two().changes]);
    }
    expect(accepted(traffic(two(), { v1: 99, v2: 1 })).revision).toBe(two().revision + 1);
  });

  it('ends a lease with a write that has none, also of the same weights', () => {
    const leased = accepted(traffic(two(), { v1: 75, v2: 25 }, { lease: { seconds: 10, fallback: 'v1' } }));
    expect(accepted(traffic(leased, { v1: 75, v2: 25 })).lease).toBeNull();
    expect(accepted(traffic(leased, { v1: 50, v2: 50 })).lease).toBeNull();
  });

  it('refuses leases without a length or without a fallback that is there', () => {
    for (const lease of [
      { seconds: 0, fallback: 'v1' },
      { seconds: -1, fallback: 'v1' },
      { seconds: Number.NaN, fallback: 'v1' },
      { seconds: Infinity, fallback: 'v1' },
      { seconds: 30 * 86_400 + 1, fallback: 'v1' },
      { seconds: 10, fallback: 'ghost' },
    ]) {
      expect(refusedAs(traffic(two(), { v1: 100 }, { lease }))).toBe('InvalidSpec');
    }
  });

  it('refuses to retire what has traffic or what a lease falls back to', () => {
    expect(refusedAs(decideRetire(two(), { version: 'v1', epoch: 1 }))).toBe('Conflict');
    const leased = accepted(traffic(two(), { v2: 100 }, { lease: { seconds: 10, fallback: 'v1' } }));
    expect(refusedAs(decideRetire(leased, { version: 'v1', epoch: 1 }))).toBe('Conflict');
  });

  it('holds a bounded number of versions', () => {
    let record = emptyRecord('e');
    for (let i = 0; i < maxVersions; i++) record = accepted(deploy(record, `v${i}`));
    expect(refusedAs(deploy(record, 'one-more'))).toBe('QuotaExceeded');
  });

  it.each<[string, (record: EndpointRecord, epoch: number) => Decision]>([
    ['a deployment', (record, epoch) => deploy(record, 'v3', epoch)],
    ['other weights', (record, epoch) => traffic(record, { v1: 50, v2: 50 }, { epoch })],
    ['the same weights', (record, epoch) => traffic(record, { v1: 100 }, { epoch })],
    ['a retirement', (record, epoch) => decideRetire(record, { version: 'v2', epoch })],
    ['a retirement of what is gone', (record, epoch) => decideRetire(record, { version: 'v9', epoch })],
  ])('G7: %s ends all earlier epochs, and is refused in one that has ended', (_what, change) => {
    const after = accepted(change(two(), 7));
    expect(after.epoch).toBe(7);
    expect(refusedAs(change(after, 6))).toBe('Conflict');
    expect(refusedAs(change(two(), 0))).toBe('Conflict');
  });

  it('A5: an id keeps its bytes, serving or retired', () => {
    const other = { key: 'k', version: 'v2', digest: 'digest-other', filesDigest: 'f', epoch: 1 };
    expect(refusedAs(decideDeploy(two(), other))).toBe('Conflict');
    const retired = accepted(decideRetire(two(), { version: 'v2', epoch: 1 }));
    expect(refusedAs(decideDeploy(retired, other))).toBe('Conflict');
    const back = accepted(deploy(retired, 'v2'));
    expect(back.versions.map(({ id }) => id)).toEqual(['v1', 'v2']);
    expect(back.retired).toEqual([]);
  });

  it('a repeated deployment is the same one: no other bytes are believed, and it is no newer than it was', () => {
    const repeated = accepted(
      decideDeploy(two(), { key: 'key-v1', version: 'v1', digest: 'digest-v1', filesDigest: 'changed', epoch: 1 })
    );
    const v1 = repeated.versions.find(({ id }) => id === 'v1');
    expect(v1).toEqual(two().versions.find(({ id }) => id === 'v1'));
    const again = accepted(
      decideDeploy(two(), { key: 'next', version: 'v1', digest: 'digest-v1', filesDigest: 'f', epoch: 1 })
    );
    expect(again.versions.find(({ id }) => id === 'v1')).toMatchObject({ order: 3, deployKey: 'next', weight: 100 });
  });

  it('does not grow with its age: the latest 100 changes and the latest 10,000 retired versions are kept', () => {
    let record = two();
    for (let i = 0; i < 150; i++) record = accepted(traffic(record, { v1: (i + 1) % 2, v2: 100 - ((i + 1) % 2) }));
    expect(record.changes.map(({ revision }) => revision)).toEqual(Array.from({ length: 100 }, (_, i) => i + 52));
    const retired = Array.from({ length: 10_000 }, (_, i) => ({ id: `old-${i}`, digest: 'd' }));
    const full = accepted(decideRetire({ ...record, retired }, { version: 'v1', epoch: 1 }));
    expect([full.retired.length, full.retired[0]?.id, full.retired.at(-1)?.id]).toEqual([10_000, 'old-1', 'v1']);
  });

  it('keeps its invariants under any sequence of commands', () => {
    const version = fc.constantFrom('v1', 'v2', 'v3');
    const epoch = fc.nat(3);
    const command = fc.oneof(
      fc.record({ kind: fc.constant('deploy' as const), version, epoch, digest: fc.constantFrom('a', 'b') }),
      fc.record({
        kind: fc.constant('traffic' as const),
        weight: fc.integer({ min: -5, max: 105 }),
        other: version,
        version,
        epoch,
        stale: fc.boolean(),
        lease: fc.option(fc.record({ seconds: fc.integer({ min: 1, max: 5 }), fallback: version })),
        unready: version,
      }),
      fc.record({ kind: fc.constant('retire' as const), version, epoch }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(4_000) })
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        let record = emptyRecord('e');
        let nowMs = 0;
        const digests = new Map<string, string>();
        for (const next of commands) {
          const before = record;
          if (next.kind === 'wait') {
            nowMs += next.ms;
            record = decideLease(record, nowMs) ?? record;
          } else {
            const decision = decide(record, next, nowMs);
            if (next.epoch < before.epoch) expect(decision.ok).toBe(false);
            if (decision.ok) record = decision.record;
            if (decision.ok && next.kind === 'traffic') {
              expect(next.stale).toBe(false);
              const grown = record.versions.filter(
                ({ id, weight }) => weight > (before.versions.find((version) => version.id === id)?.weight ?? 0)
              );
              expect(grown.map(({ id }) => id)).not.toContain(next.unready);
            }
          }
          const sum = record.versions.reduce((total, { weight }) => total + weight, 0);
          expect([0, 100]).toContain(sum);
          if (before.versions.some(({ weight }) => weight > 0)) expect(sum).toBe(100);
          expect(record.epoch).toBeGreaterThanOrEqual(before.epoch);
          expect(record.revision).toBeGreaterThanOrEqual(before.revision);
          const weights = (of: EndpointRecord) =>
            of.versions
              .filter(({ weight }) => weight > 0)
              .map(({ id, weight }) => `${id}=${weight}`)
              .sort();
          if (record.revision === before.revision) expect(weights(record)).toEqual(weights(before));
          if (record.lease !== null) expect(record.versions.map(({ id }) => id)).toContain(record.lease.fallback);
          for (const { id, digest } of [...record.versions, ...record.retired]) {
            expect(digests.get(id) ?? digest).toBe(digest);
            digests.set(id, digest);
          }
        }
      }),
      { numRuns: 500 }
    );
  });
});

type Command =
  | { readonly kind: 'deploy'; readonly version: string; readonly epoch: number; readonly digest: string }
  | { readonly kind: 'retire'; readonly version: string; readonly epoch: number }
  | {
      readonly kind: 'traffic';
      readonly version: string;
      readonly other: string;
      readonly weight: number;
      readonly epoch: number;
      readonly stale: boolean;
      readonly lease: { readonly seconds: number; readonly fallback: string } | null;
      readonly unready: string;
    };

function decide(record: EndpointRecord, command: Command, nowMs: number): Decision {
  const { version, epoch } = command;
  if (command.kind === 'retire') return decideRetire(record, { version, epoch });
  if (command.kind === 'deploy') {
    return decideDeploy(record, { key: 'k', version, digest: command.digest, filesDigest: 'f', epoch });
  }
  const weights = new Map([[command.other, 100 - command.weight]]);
  weights.set(version, command.other === version ? 100 : command.weight);
  return decideTraffic(record, {
    weights,
    ifRevision: command.stale ? 'r-1' : revisionName(record.revision),
    epoch,
    lease: command.lease ?? undefined,
    nowMs,
    isReady: (id) => id !== command.unready,
  });
}
