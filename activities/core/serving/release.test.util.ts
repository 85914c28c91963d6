import type { ReleaseSpec } from '@retempo/workflows/contracts';

/** A canary of one step that looks often and waits for nobody: what tests change from. */
export const testRelease: ReleaseSpec = {
  endpoint: 'e',
  site: 'onprem.east',
  strategy: 'canary',
  steps: [50],
  holdbackPercent: 0,
  bakeMs: 0,
  guardrails: { errors: { worseThan: 1, safeBelow: 2, ignoreBelow: 0.01, overdispersion: 1 }, slow: null },
  alpha: 0.05,
  lookEveryMs: 1_000,
  stepDeadlineMs: 60_000,
  totalDeadlineMs: 600_000,
  deployDeadlineMs: 60_000,
  onInconclusive: 'rollback',
  approval: null,
  leaseMs: null,
};
