import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { World } from '../../examples/flight-delay/world.mjs';
import { createWorld } from '../../examples/flight-delay/world.mjs';
import { looksDocument } from '@retempo/activities';
import type { ArmCounts } from '@retempo/workflows/contracts';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { missingServer } from '../support/server-peer.js';
import { startTraffic } from '../support/traffic.js';

const missing = await missingServer();

// A canary on an endpoint that keeps every customer on one version, with real servers and live traffic. One customer sends
// six requests of ten.

const model = 'flight-delay';
const customers = 400;
const customerOf = (n: number): string => (n % 10 < 6 ? 'the big one' : `customer ${(n * 7) % customers}`);
const call = () => ({ signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 });

interface Looks {
  readonly looks: readonly {
    readonly action: string;
    readonly reasons: readonly string[];
    readonly steps: readonly {
      readonly weight: number;
      readonly candidate: ArmCounts;
      readonly champion: ArmCounts;
      readonly mixedUnits?: number;
    }[];
  }[];
}

describe.skipIf(missing !== null)('a canary on a sticky endpoint', () => {
  let test: TestInstallation;
  let world: World;

  beforeAll(async () => {
    test = await startInstallation({ name: 'sticky', endpoint: { stickiness: { header: 'x-customer' } } });
    world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
    await world.advanceTo(5);
    await test.apply();
    expect((await test.ended(await test.retrain('first version'))).what).toBe('promoted');
  });
  afterAll(async () => {
    world?.close();
    await test?.close();
  });

  it('tests the split of its customers, which the requests of a busy one do not show', async () => {
    const bodies: { readonly id: string }[] = [];
    for await (const { body } of world.requestsOf(5, { limit: 500 })) bodies.push(body);
    await world.advanceTo(19);
    const url = await test.site('onprem.east').routers.endpointUrl(model, call());
    const pump = startTraffic(url, model, bodies, (n) => ({ 'x-customer': customerOf(n) }));
    const runId = await test.retrain('newer data');
    const { what, reason } = await test.ended(runId);
    const { lost, failed } = await pump.stop();
    expect([what, lost, failed], reason).toEqual(['promoted', 0, 0]);

    const { looks } = (await test.opened.registry.readDocument<Looks>(looksDocument(model, runId), call()))!.value;
    for (const { action, reasons } of looks) {
      expect(action, reasons.join('; ')).not.toBe('hold');
      expect(reasons.join('; ')).not.toContain('not tested');
    }
    const { steps } = looks.at(-1)!;
    expect(steps.map(({ weight }) => weight)).toEqual([5, 25, 50]);
    let most = 0;
    for (const { weight, candidate, champion, mixedUnits } of steps) {
      expect(mixedUnits).toBeUndefined();
      const units = candidate.units! + champion.units!;
      expect(units).toBeGreaterThan(1);
      expect(units).toBeLessThanOrEqual(customers + 1);
      // Six standard deviations.
      const share = weight / 100;
      expect(Math.abs(candidate.units! - units * share)).toBeLessThan(6 * Math.sqrt(units * share * (1 - share)) + 1);
      const requests = candidate.requests + champion.requests;
      most = Math.max(
        most,
        Math.abs(candidate.requests - requests * share) / Math.sqrt(requests * share * (1 - share))
      );
    }
    // What the requests say of it: a split that chance alone never gives.
    expect(most).toBeGreaterThan(6);
  });
});
