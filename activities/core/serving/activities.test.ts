import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  ArmCounts,
  EndpointState,
  ObserveInput,
  ReleaseSpec,
  ServingActivities,
} from '@retempo/workflows/contracts';
import { createFileStore } from '../artifacts/index.js';
import { PortError, type Call, type MetricsSource, type ServingBackend } from '../ports/index.js';
import { createRegistry, type Registry } from '../registry/index.js';
import { createServingActivities, looksDocument } from './activities.js';
import { testRelease } from './release.test.util.js';

// The router and its counts are played here, so that every answer can be chosen; the real router runs in the conformance
// and integration suites. Evidence goes to a real registry in a folder.

let root: string;
let registry: Registry;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-serving-'));
  registry = createRegistry({ store: createFileStore({ root }) });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const arm = (requests: number, errors = 0): ArmCounts => ({ requests, errors, callerErrors: 0, slow: null, sums: {} });
const release: ReleaseSpec = { ...testRelease, endpoint: 'flights', steps: [5, 25], leaseMs: 2_500 };
const input: ObserveInput = {
  endpoint: 'flights',
  model: 'flight-delay',
  releaseId: 'retempo/flight-delay/run/2-abcdef01',
  release,
  candidate: 'v2',
  champion: 'v1',
  step: 0,
  stepElapsedMs: 0,
  weight: 5,
  revisions: ['7'],
  epoch: 3,
  look: 1,
  judged: null,
};
const served = (weights: { readonly [version: string]: number }, revision = '7'): EndpointState => ({
  revision,
  epoch: 3,
  busy: false,
  versions: Object.fromEntries(Object.entries(weights).map(([version, weight]) => [version, { weight, ready: 1 }])),
});

interface World {
  state: EndpointState | PortError;
  arms: { readonly [version: string]: ArmCounts | null };
  lease: boolean;
  complete: boolean;
  mixedUnits?: number;
}
const healthy = (): World => ({
  state: served({ v0: 0, v1: 95, v2: 5 }),
  arms: { v1: arm(7_600, 8), v2: arm(400) },
  lease: true,
  complete: true,
});

function play(world: World) {
  const written: Parameters<ServingBackend['setTraffic']>[0][] = [];
  const ordered: (readonly [string, object])[] = [];
  const asked: Parameters<MetricsSource['readArms']>[0][] = [];
  const serving: ServingBackend = {
    capabilities: { fence: 'revision', deployBlocksTraffic: false, maxVersions: 9, mirror: false, lease: world.lease },
    describe: () => (world.state instanceof PortError ? Promise.reject(world.state) : Promise.resolve(world.state)),
    setTraffic(change) {
      written.push(change);
      return Promise.resolve({ revision: '7' });
    },
    deploy: (order) => Promise.resolve(void ordered.push(['deploy', order])),
    retire: (order) => Promise.resolve(void ordered.push(['retire', order])),
  };
  const metrics: MetricsSource = {
    capabilities: { lagMs: 0, periodMs: 1, slow: 'exact' },
    readArms(query) {
      asked.push(query);
      const { complete, arms, mixedUnits } = world;
      return Promise.resolve({
        complete,
        watermark: '2026-01-01T00:00:00.000Z',
        arms,
        ...(mixedUnits === undefined ? {} : { mixedUnits }),
      });
    },
    requestLog: () => Promise.resolve(null),
  };
  const activities = createServingActivities({ serving, metrics, registry });
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  const run = <K extends keyof ServingActivities>(name: K, of: Parameters<ServingActivities[K]>[0]) => {
    const activity = activities[name] as (input: typeof of) => ReturnType<ServingActivities[K]>;
    return environment.run(activity as (input: typeof of) => Promise<never>, of) as ReturnType<ServingActivities[K]>;
  };
  return { run, written, ordered, asked };
}
const document = async () =>
  (await registry.readDocument<{ looks: { look: number; action: string; steps: unknown[] }[] }>(
    looksDocument('flight-delay', input.releaseId),
    call()
  ))!.value;

describe('observe', () => {
  it('judges the counts of this step’s revisions and says what it saw', async () => {
    const { run, asked } = play(healthy());
    const look = await run('observe', { ...input, revisions: ['6', '7'] });
    expect(look).toMatchObject({ action: 'advance', weightsAsIntended: true, requests: 400 });
    expect(asked).toEqual([{ endpoint: 'flights', versions: ['v2', 'v1'], revisions: ['6', '7'] }]);
    // The next look goes on from here.
    expect(look.judged).toMatchObject({ v: 1, steps: [{ weight: 5, revision: '6', candidate: { requests: 400 } }] });
    expect(JSON.parse(JSON.stringify(look))).toEqual(look);
  });

  it('does not hold a canary for the split of requests where those of one unit stay together', async () => {
    const arms = { v1: arm(4_000, 4), v2: arm(4_000, 4) };
    const { run } = play({ ...healthy(), arms });
    expect((await run('observe', input)).action).toBe('hold');
    const kept = { v1: { ...arms.v1, units: 950 }, v2: { ...arms.v2, units: 50 } };
    const sticky = play({ ...healthy(), arms: kept });
    expect((await sticky.run('observe', { ...input, look: input.look + 1 })).action).toBe('advance');
    const both = await play({ ...healthy(), arms: kept, mixedUnits: 2 }).run('observe', { ...input, look: 9 });
    expect(both).toMatchObject({ action: 'hold' });
    expect(both.reasons[0]).toContain('2 units were served by both arms');
  });

  it('asks for slow answers only when the release has a limit for them', async () => {
    const { run, asked } = play(healthy());
    const slow = { worseThan: 1, safeBelow: 2, ignoreBelow: 0.01, overdispersion: 1, overMs: 250 };
    await run('observe', { ...input, release: { ...release, guardrails: { ...release.guardrails, slow } } });
    expect(asked[0]).toMatchObject({ slowOverMs: 250 });
  });

  it('renews the lease of the very same weights, for whole seconds, back to the champion', async () => {
    const { run, written } = play(healthy());
    await run('observe', input);
    expect(written).toEqual([
      {
        endpoint: 'flights',
        weights: { v0: 0, v1: 95, v2: 5 },
        ifRevision: '7',
        epoch: 3,
        lease: { seconds: 3, fallback: 'v1' },
      },
    ]);
  });

  const cases: readonly (readonly [string, Partial<World>, Partial<ObserveInput>])[] = [
    ['the judge rolls back', { arms: { v1: arm(7_600, 8), v2: arm(400, 60) } }, {}],
    ['somebody has changed the weights', { state: served({ v1: 90, v2: 10 }) }, {}],
    ['another revision is in force', { state: served({ v1: 95, v2: 5 }, '8') }, {}],
    ['another version has weight too', { state: served({ v0: 5, v1: 90, v2: 5 }) }, {}],
    ['the backend has no lease', { lease: false }, {}],
    ['the release asks for none', {}, { release: { ...release, leaseMs: null } }],
  ];
  for (const [why, world, change] of cases) {
    it(`keeps no split alive when ${why}`, async () => {
      const { run, written } = play({ ...healthy(), ...world });
      await run('observe', { ...input, ...change });
      expect(written).toEqual([]);
    });
  }

  it('names weights that are not as intended, and judges all the same', async () => {
    const { run } = play({
      ...healthy(),
      state: served({ v1: 50, v2: 50 }),
      arms: { v1: arm(7_600, 8), v2: arm(400, 60) },
    });
    expect(await run('observe', input)).toMatchObject({ action: 'rollback', weightsAsIntended: false });
  });

  it('keeps every look once: one that is taken again after a crash replaces itself', async () => {
    const world = healthy();
    const { run } = play(world);
    const first = await run('observe', input);
    await run('observe', { ...input, look: 2, judged: first.judged });
    world.arms = { v1: arm(9_500, 9), v2: arm(500) };
    await run('observe', { ...input, look: 2, judged: first.judged });
    const { looks } = await document();
    expect(looks.map(({ look }) => look)).toEqual([1, 2]);
    expect(looks[1]!.steps).toMatchObject([{ weight: 5, revision: '7', candidate: { requests: 500 } }]);
    expect(await document()).toMatchObject({ v: 1, endpoint: 'flights', candidate: 'v2', champion: 'v1', alpha: 0.05 });
  });

  it('a version without counts gives no data, not zero errors', async () => {
    const { run } = play({ ...healthy(), arms: { v1: arm(100) } });
    const look = await run('observe', input);
    expect(look.checks[0]).toMatchObject({ verdict: 'noData' });
    expect(look.action).not.toBe('advance');
  });

  it('8: counts that are not complete never pass, and leave no trace in the next look', async () => {
    const world = healthy();
    const { run } = play({ ...world, complete: false });
    const blurred = await run('observe', input);
    expect(blurred).toMatchObject({ action: 'continue', weightsAsIntended: true, judged: null });
    expect(blurred.reasons[0]).toBe('counts are complete until 2026-01-01T00:00:00.000Z only');
    expect(blurred.checks.map(({ verdict }) => verdict)).not.toContain('pass');
    const { looks } = await document();
    expect(looks).toMatchObject([{ look: 1, action: 'continue' }]);
    // The same counts, complete: everything was only waiting for them.
    const clear = await play(world).run('observe', { ...input, look: 2, judged: blurred.judged });
    expect(clear.action).toBe('advance');
    const later = await run('observe', { ...input, look: 3, judged: clear.judged });
    expect(later).toMatchObject({ action: 'continue', judged: clear.judged });
  });

  it.each<readonly [string, World['arms']]>([
    ['neither', {}],
    ['the candidate only', { v2: arm(400) }],
    ['the champion only', { v1: arm(7_600, 8) }],
  ])('8: a source that has counts of %s gives no data, not none', async (_, arms) => {
    const { run } = play({ ...healthy(), arms });
    expect(await run('observe', input)).toMatchObject({
      action: 'continue',
      requests: 'v2' in arms ? 400 : 0,
      checks: [{ name: 'errors', verdict: 'noData' }],
      judged: { steps: [{ weight: 5, revision: '7', candidate: arms['v2'] ?? null, champion: arms['v1'] ?? null }] },
    });
  });

  it('8: a wrong split in counts that are not complete holds nothing: the rest may be on its way', async () => {
    const { run } = play({ ...healthy(), arms: { v1: arm(4_000), v2: arm(4_000) }, complete: false });
    expect((await run('observe', input)).action).toBe('continue');
    const held = await play({ ...healthy(), arms: { v1: arm(4_000), v2: arm(4_000) } }).run('observe', input);
    expect([held.action, held.reasons[0]]).toEqual([
      'hold',
      expect.stringMatching(/^the traffic split .*; look at what reaches v2 on flights, then promote or roll back$/),
    ]);
  });

  it('what has failed in counts that are not complete has failed', async () => {
    const { run } = play({ ...healthy(), arms: { v1: arm(7_600, 8), v2: arm(400, 60) }, complete: false });
    const look = await run('observe', input);
    expect(look).toMatchObject({ action: 'rollback', checks: [{ verdict: 'fail' }] });
    expect(look.reasons[0]).toMatch(/; find its cause in the requests of v2 in the request log of \S+$/);
    // It stays failed, whatever the complete counts say.
    const after = await play(healthy()).run('observe', { ...input, look: 2, judged: look.judged });
    expect(after.action).toBe('rollback');
  });

  it('has nothing to say without a champion', async () => {
    const { run } = play(healthy());
    await expect(run('observe', { ...input, champion: null })).rejects.toMatchObject({
      type: 'Retempo.InvalidSpec',
      nonRetryable: true,
    });
  });

  it('an endpoint that cannot be read is a failure, never a look', async () => {
    const { run } = play({ ...healthy(), state: new PortError('ServiceFault', 'down') });
    await expect(run('observe', input)).rejects.toMatchObject({ type: 'Retempo.ServiceFault' });
    expect(await registry.readDocument(looksDocument('flight-delay', input.releaseId), call())).toBeNull();
  });
});

describe('other serving activities', () => {
  it('an endpoint that does not exist is null; one that does not answer is an error', async () => {
    const missing = play({ ...healthy(), state: new PortError('NotFound', 'no such endpoint') });
    expect(await missing.run('describeEndpoint', { endpoint: 'flights' })).toBeNull();
    const down = play({ ...healthy(), state: new PortError('ServiceFault', 'down') });
    await expect(down.run('describeEndpoint', { endpoint: 'flights' })).rejects.toMatchObject({
      type: 'Retempo.ServiceFault',
    });
  });

  it('hands a version to the backend, to deploy it and to end it, as it was asked for', async () => {
    const { run, ordered } = play(healthy());
    const order = { key: 'k', endpoint: 'flights', version: 'v2', epoch: 3 };
    const artifact = { v: 1, uri: 'file:///a/', digest: `sha256:${'a'.repeat(64)}`, bytes: 1 } as const;
    await run('deployVersion', { ...order, artifact });
    await run('retireVersion', order);
    expect(ordered).toEqual([
      ['deploy', { ...order, artifact }],
      ['retire', order],
    ]);
  });

  it('passes a lease on only when there is one', async () => {
    const { run, written } = play(healthy());
    const change = { endpoint: 'flights', weights: { v1: 95, v2: 5 }, ifRevision: '6', epoch: 3 };
    await run('setTraffic', { ...change, lease: null });
    const lease = { seconds: 9, fallback: 'v1' };
    expect(await run('setTraffic', { ...change, lease })).toMatchObject({ revision: '7' });
    expect(written).toEqual([change, { ...change, lease }]);
  });
});
