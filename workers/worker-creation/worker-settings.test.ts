import { siteRoles } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { limitDefaults } from '../configuration/config.js';
import { workerSettings } from './worker-settings.js';

describe('what waiting costs', () => {
  it('by default one heartbeat a minute reaches the server at most, however often a wait looks', () => {
    const { heartbeatMs } = limitDefaults;
    const settings = workerSettings({ role: 'wait', queue: 'retempo.onprem.east.wait', limits: limitDefaults });
    // What comes in between, the SDK sends with the next one: after the smaller of this and 0.8 of the time-out.
    expect(Math.min(Number(settings.maxHeartbeatThrottleInterval), 0.8 * heartbeatMs)).toBeGreaterThanOrEqual(60_000);
    // And before the server gives the wait to another worker.
    expect(Number(settings.maxHeartbeatThrottleInterval)).toBeLessThan(heartbeatMs);
  });

  it('the death of a worker is noticed in the time that was configured', () => {
    const limits = { ...limitDefaults, heartbeatMs: 5_000 };
    const settings = workerSettings({ role: 'wait', queue: 'q', limits });
    expect(settings).toMatchObject({ maxHeartbeatThrottleInterval: 4_000, defaultHeartbeatThrottleInterval: 4_000 });
  });
});

describe('what a Worker that stops leaves to those that stay', () => {
  const limits = { ...limitDefaults, drainMs: 7_000 };

  it('a wait goes to another worker at once, all else gets the time to finish that was configured', () => {
    const graces = ['control' as const, ...siteRoles].map((role) => [
      role,
      workerSettings({ role, queue: 'q', limits }).shutdownGraceTime,
    ]);
    expect(Object.fromEntries(graces)).toEqual({ control: 7_000, jobs: 7_000, wait: 0, serving: 7_000, data: 7_000 });
  });

  it('a drain has an end, and it is after the time that was configured', () => {
    for (const role of ['control' as const, ...siteRoles]) {
      const { shutdownGraceTime, shutdownForceTime } = workerSettings({ role, queue: 'q', limits });
      expect(Number(shutdownForceTime)).toBeGreaterThan(Number(shutdownGraceTime));
    }
  });
});

it('workflows are kept in memory as configured, by the Worker that runs them', () => {
  const limits = { ...limitDefaults, cachedWorkflows: 3, stickyTimeoutMs: 4_000 };
  expect(workerSettings({ role: 'control', queue: 'q', limits })).toMatchObject({
    maxCachedWorkflows: 3,
    stickyQueueScheduleToStartTimeout: 4_000,
  });
});
