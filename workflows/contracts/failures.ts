/** What kind of trouble a provider met; decides who retries and whether another site is tried. */
export type ErrorClass =
  | 'InvalidSpec' // never retried: the request itself is wrong
  | 'AuthDenied' // never retried; somebody has to change a permission
  | 'Throttled' // retried with jitter, after `retryAfterMs` when given
  | 'QuotaExceeded' // another site, or wait
  | 'CapacityUnavailable' // fail over to the next pool
  | 'Preempted' // resume from the last checkpoint
  | 'AlreadyExists' // adopt
  | 'Conflict' // somebody else changed it: read back, then decide
  | 'NotFound' // right after a create: wait for consistency; later: lost
  | 'UserCodeFailed' // the user's program failed: no infrastructure retry
  | 'ServiceFault' // the provider's own fault: retried
  | 'UnknownOutcome' // the call may or may not have worked: look before deciding
  | 'DeadlineExceeded'
  | 'Cancelled'
  | 'Integrity'; // bytes do not match their digest: never used

/** Temporal failure types of Retempo: the `type` of every ApplicationFailure. */
export const failureType = {
  port: (errorClass: ErrorClass) => `Retempo.${errorClass}`,
  dataInvalid: 'Retempo.DataInvalid',
  dataMissing: 'Retempo.DataMissing',
  evaluationInvalid: 'Retempo.EvaluationInvalid',
  championMismatch: 'Retempo.ChampionMismatch',
  noPlace: 'Retempo.NoPlace',
  unknownModel: 'Retempo.UnknownModel',
  malformed: 'Retempo.Malformed',
} as const;

/** Classes for which trying the same call again cannot help. */
export const nonRetryableClasses: readonly ErrorClass[] = [
  'InvalidSpec',
  'AuthDenied',
  'QuotaExceeded',
  'CapacityUnavailable',
  'AlreadyExists',
  'Conflict',
  'UserCodeFailed',
  'Cancelled',
  'Integrity',
];
