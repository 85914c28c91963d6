import { ActivityCancellationType, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import { failureType, nonRetryableClasses } from './contracts/failures.js';
import { controlQueue, siteQueue } from './contracts/task-queues.js';
import type { ControlActivities, DataActivities, JobActivities, Limits, ServingActivities } from './contracts/index.js';

// The only place with time-outs and retries. One set of options per class of effect; the queue decides who does it.
// Every activity has a heartbeat time-out: when a worker dies in the middle of one, another carries on after that time
// and not after the start-to-close time. Activities heartbeat only when they take long, so this costs nothing at rest.

const nonRetryableErrorTypes = [
  ...nonRetryableClasses.map((errorClass) => failureType.port(errorClass)),
  failureType.dataInvalid,
  failureType.dataMissing,
  failureType.evaluationInvalid,
  failureType.championMismatch,
  failureType.malformed,
];

/** Reads change nothing: tried often and quickly. 20 attempts at up to 10 s outlast a restart of the other side. */
const read: ActivityOptions = {
  startToCloseTimeout: '1 minute',
  retry: {
    initialInterval: '500 milliseconds',
    backoffCoefficient: 1.5,
    maximumInterval: '10 seconds',
    maximumAttempts: 20,
    nonRetryableErrorTypes,
  },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
};

/**
 * Creating something that costs money. Idempotent by key, so it may be repeated; never cancelled (callers hold it in a
 * non-cancellable scope), because a cancelled submit leaves a job nobody knows.
 */
const submit: ActivityOptions = {
  startToCloseTimeout: '5 minutes',
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumInterval: '30 seconds',
    maximumAttempts: 30,
    nonRetryableErrorTypes,
  },
};

/** Changing something that exists: reads back after an unknown outcome. Callers loop where giving up is no option. */
const mutate: ActivityOptions = {
  startToCloseTimeout: '2 minutes',
  retry: {
    initialInterval: '500 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '15 seconds',
    maximumAttempts: 8,
    nonRetryableErrorTypes,
  },
};

/**
 * On the way back to the champion the loop around it tries for ever, and tells people after three attempts: few retries and a
 * limit for all of them, also for a queue without a worker, so that they are told within about a minute.
 */
const readOnTheWayBack: ActivityOptions = {
  ...read,
  scheduleToCloseTimeout: '20 seconds',
  retry: { ...read.retry, maximumAttempts: 8 },
};
const mutateOnTheWayBack: ActivityOptions = { ...mutate, retry: { ...mutate.retry, maximumAttempts: 2 } };

/** Saving what was decided: there is nothing better to do than to try again. */
const save: ActivityOptions = {
  startToCloseTimeout: '2 minutes',
  retry: {
    initialInterval: '500 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '15 seconds',
    nonRetryableErrorTypes,
  },
};

/**
 * Waiting for a job, however long. Attempts are unlimited because a drained worker uses one up; the delay is fixed so that
 * a job is never unwatched for long. Cancelling stops the waiting, never the job.
 */
const wait = (limits: Limits): ActivityOptions => ({
  startToCloseTimeout: '30 days',
  heartbeatTimeout: limits.heartbeatMs,
  // Holds for every attempt: a queue whose workers have died hands the job over after this time.
  scheduleToStartTimeout: limits.noWorkerMs,
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 1,
    nonRetryableErrorTypes,
  },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

const control = (options: ActivityOptions, limits: Limits) =>
  proxyActivities<ControlActivities>({ ...options, heartbeatTimeout: limits.heartbeatMs, taskQueue: controlQueue });

export const controlReads = (limits: Limits) => control(read, limits);
export const controlWrites = (limits: Limits) => control(save, limits);
/** Analysis over many rows: longer than a read, still without effect. */
export const analysis = (limits: Limits) => control({ ...read, startToCloseTimeout: '30 minutes' }, limits);

export const jobsAt = (site: string, limits: Limits) =>
  proxyActivities<JobActivities>({
    ...submit,
    heartbeatTimeout: limits.heartbeatMs,
    taskQueue: siteQueue(site, 'jobs'),
    scheduleToStartTimeout: limits.noWorkerMs,
  });
export const waitsAt = (site: string, limits: Limits) =>
  proxyActivities<JobActivities>({ ...wait(limits), taskQueue: siteQueue(site, 'wait') });
/** A stop takes as long as the job's grace. */
export const stopsAt = (site: string, limits: Limits) =>
  proxyActivities<JobActivities>({
    ...mutate,
    startToCloseTimeout: '15 minutes',
    heartbeatTimeout: limits.heartbeatMs,
    scheduleToStartTimeout: limits.noWorkerMs,
    taskQueue: siteQueue(site, 'jobs'),
  });
export const dataAt = (site: string, limits: Limits) =>
  proxyActivities<DataActivities & Pick<JobActivities, 'collectOutput'>>({
    ...submit,
    startToCloseTimeout: '30 minutes',
    heartbeatTimeout: limits.heartbeatMs,
    scheduleToStartTimeout: limits.noWorkerMs,
    taskQueue: siteQueue(site, 'data'),
  });

const serving = (options: ActivityOptions, site: string, limits: Limits) =>
  // Mostly without a schedule-to-start limit: an endpoint lives at one site, so there is nobody to hand over to.
  proxyActivities<ServingActivities>({
    ...options,
    heartbeatTimeout: limits.heartbeatMs,
    taskQueue: siteQueue(site, 'serving'),
  });

/** A look that nobody takes in time is a look without data: the canary's deadlines hold also while its site is away. */
export const looksAt = (site: string, limits: Limits) =>
  serving({ ...read, scheduleToStartTimeout: limits.noWorkerMs }, site, limits);
export const servingReads = (site: string, limits: Limits) => serving(read, site, limits);
export const servingWrites = (site: string, limits: Limits) => serving(mutate, site, limits);
export const wayBackReads = (site: string, limits: Limits) => serving(readOnTheWayBack, site, limits);
export const wayBackWrites = (site: string, limits: Limits) => serving(mutateOnTheWayBack, site, limits);
