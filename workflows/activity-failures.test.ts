import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  RetryState,
  TimeoutFailure,
} from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { failureTypeOf, noWorkerTook, rootMessage } from './activity-failures.js';

const port = ApplicationFailure.create({ type: 'Retempo.CapacityUnavailable', message: 'all slots are taken' });
const activity = (cause: Error) =>
  new ActivityFailure('activity failed', 'submitJob', '1', RetryState.NON_RETRYABLE_FAILURE, 'w', cause);
const child = (cause: Error) =>
  new ChildWorkflowFailure(
    'default',
    { workflowId: 'w', runId: 'r' },
    'trainingPipeline',
    RetryState.NON_RETRYABLE_FAILURE,
    cause
  );
const timeout = (kind: 'SCHEDULE_TO_START' | 'HEARTBEAT') => new TimeoutFailure('timed out', undefined, kind);

describe('what failed', () => {
  it('is found through activities and children', () => {
    for (const error of [port, activity(port), child(activity(port)), child(port)]) {
      expect(failureTypeOf(error)).toBe('Retempo.CapacityUnavailable');
      expect(rootMessage(error)).toBe('all slots are taken');
    }
  });

  it('has no type when nothing of ours failed', () => {
    for (const error of [new Error('x'), activity(timeout('HEARTBEAT')), 'text', undefined, null]) {
      expect(failureTypeOf(error)).toBeUndefined();
    }
    expect(rootMessage('text')).toBe('text');
    expect(rootMessage(undefined)).toBe('undefined');
  });

  it('only a task that nobody took is handed over: a worker that died in the middle of one is not', () => {
    expect(noWorkerTook(activity(timeout('SCHEDULE_TO_START')))).toBe(true);
    expect(noWorkerTook(activity(timeout('HEARTBEAT')))).toBe(false);
    expect(noWorkerTook(timeout('SCHEDULE_TO_START'))).toBe(false);
    expect(noWorkerTook(activity(port))).toBe(false);
  });
});
