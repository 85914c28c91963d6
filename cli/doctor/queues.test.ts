import { describe, expect, it } from 'vitest';
import { neededQueues, queueFinding } from './queues.js';

const now = Date.parse('2026-11-21T12:10:00Z');

describe('queueFinding', () => {
  it('names the queue, what waits since when, and how to start a worker', () => {
    const state = { queue: 'retempo.aws.eu-west-1.jobs', pollers: 0, waiting: 3, oldestMs: 360_000 };
    expect(queueFinding(state, 'retempo worker --site aws.eu-west-1', now)).toEqual({
      level: 'error',
      what: 'queue retempo.aws.eu-west-1.jobs',
      message: 'no worker; 3 tasks wait since 12:04 UTC; start one with: retempo worker --site aws.eu-west-1',
    });
  });

  it('is no error while nothing waits, and a warning when workers do not keep up', () => {
    const queue = 'q';
    expect(queueFinding({ queue, pollers: 0, waiting: 0, oldestMs: 0 }, 's', now).level).toBe('warning');
    expect(queueFinding({ queue, pollers: 1, waiting: 5, oldestMs: 1_000 }, 's', now).level).toBe('ok');
    expect(queueFinding({ queue, pollers: 1, waiting: 5, oldestMs: 120_000 }, 's', now).level).toBe('warning');
  });

  it('knows every queue of an installation', () => {
    expect(neededQueues(['onprem.local']).map(({ queue }) => queue)).toEqual([
      'retempo.control',
      'retempo.onprem.local.jobs',
      'retempo.onprem.local.wait',
      'retempo.onprem.local.serving',
      'retempo.onprem.local.data',
    ]);
  });
});
