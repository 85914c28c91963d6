import type * as workflows from '@retempo/workflows';

// The paths that must have a history. Every workflow type answers for every kind of path: with its histories, or with why it
// has none. A workflow that learns a new path gets its line here and a scene in the recorder.

export const kinds = [
  'success',
  'failure',
  'retry',
  'cancel',
  'timeout',
  'rollback',
  'continue-as-new',
  'approval',
] as const;
type Kind = (typeof kinds)[number];

/** Names of histories without their workflow type; one may be of several kinds. */
type Paths = readonly string[] | `none: ${string}`;

export const paths: { readonly [type in keyof typeof workflows]: { readonly [kind in Kind]: Paths } } = {
  continuousTraining: {
    success: ['accept', 'coalesce', 'cooldown', 'drift', 'pause-resume'],
    failure: ['refuse', 'breaker'],
    retry: ['recovery', 'lost-run'],
    cancel: ['cancelled'],
    timeout: ['lost-run'],
    rollback: ['rollback'],
    'continue-as-new': ['continue-as-new', 'continued', 'never-idle'],
    approval: 'none: votes are given to gates and canaries',
  },
  modelRelease: {
    success: ['first-version', 'approved-promoted'],
    failure: ['data-invalid', 'no-data', 'user-code-failed', 'refused-by-gate', 'gate-inconclusive', 'terminated'],
    retry: ['canary-terminated'],
    cancel: ['cancelled'],
    timeout: ['gate-approval-expired'],
    rollback: ['rolled-back', 'canary-terminated'],
    'continue-as-new': 'none: a parent that does loses its children',
    approval: ['approved-promoted', 'gate-rejected', 'gate-approval-expired'],
  },
  trainingPipeline: {
    success: ['first-version', 'with-champion', 'with-anchor'],
    failure: ['data-invalid', 'no-data', 'user-code-failed', 'no-place', 'terminated'],
    retry: ['lost-then-timed-out', 'hand-over', 'reset-adopted'],
    cancel: ['cancelled', 'cancelled-by-parent'],
    timeout: ['lost-then-timed-out', 'no-place', 'hand-over'],
    rollback: 'none: it has changed nothing that serves',
    'continue-as-new': 'none: its jobs are few, and waiting for one is one activity',
    approval: 'none: the gate asks',
  },
  validationGate: {
    success: ['no-champion', 'anchor'],
    // More rows were asked for than there were, in `inconclusive`: too few rows and no proof are the same path here.
    failure: ['fail', 'inconclusive'],
    retry: 'none: what is tried again is its one activity, by the server',
    cancel: ['cancelled'],
    timeout: ['expired'],
    rollback: 'none: nothing serves yet',
    'continue-as-new': 'none: it asks once',
    approval: ['approved', 'rejected', 'expired'],
  },
  canaryDeployment: {
    success: ['first-version', 'promoted', 'baked', 'approved'],
    failure: ['champion-mismatch'],
    retry: ['rollback-blocked'],
    cancel: ['cancelled'],
    timeout: ['deadline', 'approval-expired'],
    rollback: ['rolled-back', 'aborted', 'paused-resumed', 'restore', 'rollback-by-person', 'rollback-blocked'],
    'continue-as-new': ['continue-as-new', 'continued', 'approval-expired'],
    approval: ['approved', 'rejected', 'approval-expired'],
  },
  driftCheck: {
    success: ['calm', 'alarm', 'nothing-due'],
    failure: ['no-governor', 'site-away'],
    retry: 'none: its Schedule starts the next one, which finds the same windows due',
    cancel: ['cancelled'],
    timeout: ['site-away'],
    rollback: 'none: it decides nothing',
    'continue-as-new': 'none: it waits for nothing',
    approval: 'none: it asks nobody',
  },
  jobReaper: {
    success: ['nothing', 'stray-job'],
    failure: ['site-away'],
    retry: 'none: its Schedule starts the next one, which finds the same jobs',
    cancel: ['cancelled'],
    timeout: ['site-away'],
    rollback: 'none: a stopped job stays stopped',
    'continue-as-new': 'none: it waits for nothing',
    approval: 'none: it asks nobody',
  },
};
