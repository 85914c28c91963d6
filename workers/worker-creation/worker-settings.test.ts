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
