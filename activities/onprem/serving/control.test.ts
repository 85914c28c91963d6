import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openControl, type Changed, type Control } from './control.js';
import { openCounters } from './counters.js';
import type { EndpointRecord } from './endpoint-record.js';
import type { Fleet } from './fleet.js';
import { routerFiles, type RouterFiles } from './layout.js';
import { openRequestLog } from './request-log.js';
import { openUnitCounts, type UnitCounts } from './unit-counts.js';
import { recordFile } from './version-folder.js';

// The order of storing and applying, and clocks that are set: what a real router cannot be brought to at the right moment.

let files: RouterFiles;
let applied: EndpointRecord[];
let problems: string[];
beforeEach(() => {
  files = routerFiles(mkdtempSync(join(tmpdir(), 'retempo-control-')));
  applied = [];
  problems = [];
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(files.folder, { recursive: true, force: true });
});

const fleet: Fleet = {
  ensure: () => undefined,
  upstreamOf: () => undefined,
  metadataOf: () => undefined,
  readiness: () => ({ ready: true }),
  identities: () => [],
  draining: () => new Set(),
  retire: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};

const open = (over: Partial<Fleet> = {}, units: UnitCounts | null = null): Control =>
  openControl({
    endpoint: 'e',
    files,
    fleet: { ...fleet, ...over },
    counters: openCounters(files.counters),
    requestLog: openRequestLog(files.requestLog, { rotateBytes: 1e9, keepBytes: 1e9, onProblem: () => undefined }),
    traffic: { apply: (record) => void applied.push(record) },
    units,
    problem: () => null,
    onProblem: (message) => problems.push(message),
  });

const weightsNow = (): unknown =>
  Object.fromEntries((applied.at(-1)?.versions ?? []).map(({ id, weight }) => [id, weight]));
const stored = (): EndpointRecord => JSON.parse(readFileSync(files.record, 'utf8')) as EndpointRecord;

/** v1 with all traffic, v2 beside it. */
function withTwo(over: Partial<Fleet> = {}, units: UnitCounts | null = null): Control {
  const control = open(over, units);
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(files.versions, version), { recursive: true });
    writeFileSync(join(files.versions, version, recordFile), '{}');
    const made = control.deploy({ key: version, version, digest: version, filesDigest: version, epoch: 1 });
    expect(made.refusal).toBeUndefined();
  }
  shift(control, 100);
  return control;
}

function shift(control: Control, v1: number, seconds?: number) {
  return control.setTraffic({
    weights: new Map([
      ['v1', v1],
      ['v2', 100 - v1],
    ]),
    ifRevision: control.describe().revision,
    epoch: 1,
    ...(seconds === undefined ? {} : { lease: { seconds, fallback: 'v1' } }),
  });
}

/** From now on the record cannot be written. */
function breakDisk(): void {
  rmSync(files.record);
  mkdirSync(join(files.record, 'in the way'), { recursive: true });
}

/** Sets the clocks: how much later it is now by the wall, and how much by the machine since it started. */
function pass(seconds: { readonly wall: number; readonly machine: number }): void {
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + seconds.wall * 1000);
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + seconds.machine * 1000);
}

describe('control of an endpoint', () => {
  it('G4: a change that cannot be stored is not applied', () => {
    const control = withTwo();
    breakDisk();
    const before = applied.length;
    expect(() => shift(control, 50)).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(applied).toHaveLength(before);
    expect(control.describe().versions).toMatchObject({ v1: { weight: 100 }, v2: { weight: 0 } });
  });

  it('G4: every change is stored when it is told', () => {
    const control = withTwo();
    shift(control, 70);
    expect(stored().versions.map(({ weight }) => weight)).toEqual([70, 30]);
    expect(applied.at(-1)).toEqual(stored());
  });

  it('a lease that runs out falls back although the disk takes nothing, and says so', () => {
    const control = withTwo();
    shift(control, 5, 60);
    breakDisk();
    pass({ wall: 61, machine: 61 });
    control.checkLease(Date.now());
    expect(weightsNow()).toEqual({ v1: 100, v2: 0 });
    expect(problems).toHaveLength(1);
  });

  it('a lease runs out although the clock was set back', () => {
    const control = withTwo();
    shift(control, 5, 60);
    pass({ wall: -3_600, machine: 0 });
    control.checkLease(Date.now());
    expect(weightsNow()).toEqual({ v1: 5, v2: 95 });
    pass({ wall: 61, machine: 61 });
    control.checkLease(Date.now());
    expect(weightsNow()).toEqual({ v1: 100, v2: 0 });
    expect(stored().lease).toBeNull();
  });

  it('a lease runs out by the wall clock too, which goes on while a machine sleeps', () => {
    const control = withTwo();
    shift(control, 5, 60);
    pass({ wall: 61, machine: 0 });
    control.checkLease(Date.now());
    expect(weightsNow()).toEqual({ v1: 100, v2: 0 });
  });

  it.each<[string, (control: Control) => Changed]>([
    ['deploy', (control) => control.deploy({ key: 'v1', version: 'v1', digest: 'v1', filesDigest: 'v1', epoch: 1 })],
    ['retire', (control) => control.retire({ version: 'v2', epoch: 1 })],
    ['describe', (control) => ({ state: control.describe() })],
  ])('a lease that has run out is over for whoever calls next, before any timer: %s', (_what, change) => {
    const control = withTwo();
    shift(control, 5, 60);
    pass({ wall: 61, machine: 61 });
    const { refusal, state } = change(control);
    expect(refusal).toBeUndefined();
    expect([state.versions['v1']?.weight, state.lease]).toEqual([100, null]);
  });

  it('a lease that has run out cannot be renewed: its fallback has happened', () => {
    const control = withTwo();
    shift(control, 5, 60);
    const { revision } = control.describe();
    pass({ wall: 61, machine: 61 });
    const weights = new Map([
      ['v1', 5],
      ['v2', 95],
    ]);
    const late = control.setTraffic({
      weights,
      ifRevision: revision,
      epoch: 1,
      lease: { seconds: 60, fallback: 'v1' },
    });
    expect(late.refusal?.class).toBe('Conflict');
    expect(weightsNow()).toEqual({ v1: 100, v2: 0 });
  });

  it('a version whose files are not there is not deployed', () => {
    const control = open();
    const made = control.deploy({ key: 'k', version: 'v1', digest: 'd', filesDigest: 'f', epoch: 1 });
    expect(made.refusal?.class).toBe('NotFound');
    expect(made.state.versions).toEqual({});
  });

  it('an endpoint is known from the first moment of its router on, before anything is deployed', () => {
    open();
    expect(stored()).toMatchObject({ endpoint: 'e', revision: 0, versions: [] });
  });

  it('a version that is on its way out is not deployed, and says when to come back', () => {
    const draining = new Set<string>();
    const control = withTwo({ draining: () => draining });
    draining.add('v2');
    const before = stored();
    const again = control.deploy({ key: 'again', version: 'v2', digest: 'v2', filesDigest: 'v2', epoch: 1 });
    expect(again.refusal).toMatchObject({ class: 'Throttled', retryAfterMs: 1_000 });
    expect(stored()).toEqual(before);
  });

  it('a server is ended once, for the version that was there and may go', () => {
    const ended: string[] = [];
    const control = withTwo({
      retire: (version) => {
        ended.push(version);
        return Promise.resolve();
      },
    });
    expect(control.retire({ version: 'v1', epoch: 1 }).refusal).toBeDefined();
    expect(ended).toEqual([]);
    expect(control.retire({ version: 'v2', epoch: 1 }).refusal).toBeUndefined();
    expect(control.retire({ version: 'v2', epoch: 1 }).refusal).toBeUndefined();
    expect(control.retire({ version: 'never', epoch: 1 }).refusal).toBeUndefined();
    expect(ended).toEqual(['v2']);
  });

  it('a lease that ran out while nobody ran has fallen back before the first request', () => {
    shift(withTwo(), 5, 60);
    pass({ wall: 61, machine: 61 });
    open();
    expect(weightsNow()).toEqual({ v1: 100, v2: 0 });
    expect(stored().versions.map(({ weight }) => weight)).toEqual([100, 0]);
  });
});

describe('counts', () => {
  const read = (control: Control, revisions?: readonly number[]) =>
    control.readArms({ versions: ['v1', 'v2'], ...(revisions === undefined ? {} : { revisions }) });

  it('have units only where requests of one unit stay together', async () => {
    const { arms, ...rest } = await read(withTwo(), [1]);
    expect(rest).toEqual({ complete: true, watermark: expect.any(String) as string });
    for (const arm of Object.values(arms)) expect(Object.keys(arm!)).not.toContain('units');
  });

  it('of units are of the asked revisions, and stored before they are told', async () => {
    const units = openUnitCounts(files.units);
    const control = withTwo({}, units);
    for (const [version, unit] of [
      ['v1', 'a'],
      ['v1', 'b'],
      ['v2', 'c'],
      ['v2', 'b'],
    ] as const)
      units.add(1, version, unit);
    const told = await read(control, [1]);
    expect(told).toMatchObject({ arms: { v1: { units: 2 }, v2: { units: 2 } }, mixedUnits: 1 });
    expect(openUnitCounts(files.units).read(['v1', 'v2'], [1]).units).toEqual({ v1: 2, v2: 2 });
    expect(await read(control, [2])).toMatchObject({ arms: { v1: { units: 0 }, v2: { units: 0 } }, mixedUnits: 0 });
  });

  it('of units are unknown over all revisions, where a unit may have been anywhere, and where they were lost', async () => {
    mkdirSync(join(files.units, 'r1-v1'), { recursive: true });
    const control = withTwo({}, openUnitCounts(files.units));
    for (const told of [await read(control), await read(control, [1])])
      expect(told).toMatchObject({ arms: { v1: { units: null }, v2: { units: null } } });
  });
});
