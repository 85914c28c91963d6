import {
  ActivityCancellationType,
  proxyActivities,
  type ActivityInterfaceFor,
  type ActivityOptions,
} from '@temporalio/workflow';
import { failureType, nonRetryableClasses } from './contracts/failures.js';
import { controlQueue, siteQueue } from './contracts/task-queues.js';
import type { ControlActivities, DataActivities, JobActivities, Limits, ServingActivities } from './contracts/index.js';
import { summaryLine } from './visibility.js';

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
const wait: ActivityOptions = {
  startToCloseTimeout: '30 days',
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 1,
    nonRetryableErrorTypes,
  },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
};

/** `summary` is what the Web UI shows of the activity: every call says what it is for. */
const proxy = <Activities extends object>(
  options: ActivityOptions,
  taskQueue: string,
  { heartbeatMs }: Limits,
  summary: string
): ActivityInterfaceFor<Activities> =>
  proxyActivities<Activities>({
    ...options,
    heartbeatTimeout: heartbeatMs,
    taskQueue,
    summary: summaryLine(summary),
  });

/** For work that another site can do: a queue whose workers have died hands it over after this time, at every attempt. */
const inTime = (options: ActivityOptions, { noWorkerMs }: Limits): ActivityOptions => ({
  ...options,
  scheduleToStartTimeout: noWorkerMs,
});

export const controlReads = (limits: Limits, summary: string) =>
  proxy<ControlActivities>(read, controlQueue, limits, summary);
export const controlWrites = (limits: Limits, summary: string) =>
  proxy<ControlActivities>(save, controlQueue, limits, summary);
/** Analysis over many rows: longer than a read, still without effect. */
export const analysis = (limits: Limits, summary: string) =>
  proxy<ControlActivities>({ ...read, startToCloseTimeout: '30 minutes' }, controlQueue, limits, summary);

const jobs = (
  options: ActivityOptions,
  site: string,
  limits: Limits,
  summary: string,
  role: 'jobs' | 'wait' = 'jobs'
) => proxy<JobActivities>(inTime(options, limits), siteQueue(site, role), limits, summary);

export const jobsAt = (site: string, limits: Limits, summary: string) => jobs(submit, site, limits, summary);
export const waitsAt = (site: string, limits: Limits, summary: string) => jobs(wait, site, limits, summary, 'wait');
/** A stop takes as long as the job's grace. */
export const stopsAt = (site: string, limits: Limits, summary: string) =>
  jobs({ ...mutate, startToCloseTimeout: '15 minutes' }, site, limits, summary);
export const dataAt = (site: string, limits: Limits, summary: string) =>
  proxy<DataActivities & Pick<JobActivities, 'collectOutput'>>(
    inTime({ ...submit, startToCloseTimeout: '30 minutes' }, limits),
    siteQueue(site, 'data'),
    limits,
    summary
  );

// Mostly without a schedule-to-start limit: an endpoint lives at one site, so there is nobody to hand over to.
const serving = (options: ActivityOptions, site: string, limits: Limits, summary: string) =>
  proxy<ServingActivities>(options, siteQueue(site, 'serving'), limits, summary);

/** A look that nobody takes in time is a look without data: the canary's deadlines hold also while its site is away. */
export const looksAt = (site: string, limits: Limits, summary: string) =>
  serving(inTime(read, limits), site, limits, summary);
export const servingReads = (site: string, limits: Limits, summary: string) => serving(read, site, limits, summary);
export const servingWrites = (site: string, limits: Limits, summary: string) => serving(mutate, site, limits, summary);
export const wayBackReads = (site: string, limits: Limits, summary: string) =>
  serving(readOnTheWayBack, site, limits, summary);
export const wayBackWrites = (site: string, limits: Limits, summary: string) =>
  serving(mutateOnTheWayBack, site, limits, summary);
