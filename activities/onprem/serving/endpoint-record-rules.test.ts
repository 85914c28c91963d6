import { describe, expect, it } from 'vitest';
import { decideDeploy, decideRetire, decideTraffic, emptyRecord, type EndpointRecord } from './endpoint-record.js';

// Refusals that a request over the wire cannot always reach, one by one.

const version = (id: string, weight: number, order: number) =>
  ({ id, digest: `digest-${id}`, filesDigest: `files-${id}`, deployKey: `key-${id}`, order, weight }) as const;
const two: EndpointRecord = {
  ...emptyRecord('e'),
  nextOrder: 3,
  versions: [version('v1', 100, 1), version('v2', 0, 2)],
};
const traffic = (weights: { readonly [version: string]: number }, record = two) =>
  decideTraffic(record, {
    weights: new Map(Object.entries(weights)),
    ifRevision: `r${record.revision}`,
    epoch: 1,
    nowMs: 1_000,
    isReady: () => true,
  });

describe('weights', () => {
  it.each([
    [{ v1: 99.5, v2: 0.5 }, 'the weight of v1 must be a whole number from 0 to 100, got 99.5'],
    [{ v1: Number.NaN, v2: 100 }, 'the weight of v1 must be a whole number from 0 to 100, got NaN'],
    [{ v1: 101, v2: -1 }, 'the weight of v1 must be a whole number from 0 to 100, got 101'],
    [{ v2: -1, v1: 101 }, 'the weight of v2 must be a whole number from 0 to 100, got -1'],
    [{ v1: 50, v2: 49 }, 'the weights must sum to exactly 100, got 99'],
    [{ v1: 100, v2: 1 }, 'the weights must sum to exactly 100, got 101'],
    [{}, 'the weights must sum to exactly 100, got 0'],
    [{ v1: 90, v3: 10 }, 'there is no version v3; deployed: v1, v2'],
  ])('%j are refused', (weights, message) => {
    expect(traffic(weights)).toEqual({ ok: false, refusal: { class: 'InvalidSpec', message: `e: ${message}` } });
  });

  it('of an endpoint without versions say that there are none', () => {
    expect(traffic({ v1: 100 }, emptyRecord('e'))).toMatchObject({
      refusal: { message: 'e: there is no version v1; deployed: none' },
    });
  });
});

describe('versions', () => {
  const deploy = (id: string, record: EndpointRecord) =>
    decideDeploy(record, {
      key: `key-${id}`,
      version: id,
      digest: `digest-${id}`,
      filesDigest: `files-${id}`,
      epoch: 1,
    });

  it('that are there can be deployed again when the endpoint is full', () => {
    const full = { ...two, versions: Array.from({ length: 8 }, (_, i) => version(`v${i}`, i === 0 ? 100 : 0, i + 1)) };
    expect(deploy('v9', full)).toMatchObject({ ok: false, refusal: { class: 'QuotaExceeded' } });
    expect(deploy('v3', full)).toMatchObject({ ok: true });
  });

  it('keep the digest of the files that they were deployed with', () => {
    const deployed = deploy('v3', two);
    expect(deployed.ok && deployed.record.versions.find(({ id }) => id === 'v3')?.filesDigest).toBe('files-v3');
  });

  it('that were retired stay known when others come and go', () => {
    const record = {
      ...two,
      retired: [
        { id: 'v8', digest: 'digest-v8' },
        { id: 'v9', digest: 'digest-v9' },
      ],
    };
    const other = decideDeploy(record, { key: 'k', version: 'v9', digest: 'other', filesDigest: 'f', epoch: 1 });
    expect(other).toMatchObject({
      ok: false,
      refusal: { message: expect.stringContaining('v9 is digest-v9') as string },
    });
    // The first one on the list is not the one that is meant.
    const back = deploy('v9', record);
    expect(back.ok && back.record.retired).toEqual([{ id: 'v8', digest: 'digest-v8' }]);
    const gone = decideRetire(record, { version: 'v2', epoch: 1 });
    expect(gone.ok && gone.record.versions.map(({ id }) => id)).toEqual(['v1']);
    expect(gone.ok && gone.record.retired.map(({ id }) => id)).toEqual(['v8', 'v9', 'v2']);
  });
});
