import type { Observation, ReleaseSpec } from '../contracts/index.js';

// The release and the looks with which the step machine of a canary is tested. Times are minutes from the start.

export const minute = 60_000;

export const release: ReleaseSpec = {
  endpoint: 'e',
  site: 'onprem.east',
  strategy: 'canary',
  steps: [5, 25],
  holdbackPercent: 1,
  bakeMs: 30 * minute,
  guardrails: { errors: { worseThan: 1, safeBelow: 2, ignoreBelow: 0.01, overdispersion: 1 }, slow: null },
  alpha: 0.05,
  lookEveryMs: minute,
  stepDeadlineMs: 60 * minute,
  totalDeadlineMs: 600 * minute,
  deployDeadlineMs: 10 * minute,
  onInconclusive: 'rollback',
  approval: null,
  leaseMs: null,
};

export type Action = Observation['action'];

export const look = (action: Action, weightsAsIntended = true): Observation => ({
  action,
  weightsAsIntended,
  endpoint: { revision: '1', epoch: 1, busy: false, versions: {} },
  checks: [],
  reasons: [`because ${action}`],
  requests: 10,
  judged: {},
});
