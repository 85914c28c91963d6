import { CompleteAsyncError } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { nonRetryableClasses, type ErrorClass } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { PortError } from '../ports/index.js';
import { asActivityFailure, maxFailureMessageBytes, withActivityFailures } from './failures.js';

const classes: readonly ErrorClass[] = [
  'InvalidSpec',
  'AuthDenied',
  'Throttled',
  'QuotaExceeded',
  'CapacityUnavailable',
  'Preempted',
  'AlreadyExists',
  'Conflict',
  'NotFound',
  'UserCodeFailed',
  'ServiceFault',
  'UnknownOutcome',
  'DeadlineExceeded',
  'Cancelled',
  'Integrity',
];

describe('activity failures', () => {
  it.each(classes)('class %s keeps its name and says whether a retry can help', (errorClass) => {
    const failure = asActivityFailure(new PortError(errorClass, 'what happened'));
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({
      type: `Retempo.${errorClass}`,
      message: 'what happened',
      nonRetryable: nonRetryableClasses.includes(errorClass),
    });
  });

  it("the provider's wish when to come back is the delay of the next try", () => {
    const failure = asActivityFailure(new PortError('Throttled', 'slow down', { retryAfterMs: 1500 }));
    expect(failure).toMatchObject({ nextRetryDelay: 1500 });
  });

  it('a long message is cut to 2 KiB between characters', () => {
    const { message } = asActivityFailure(new PortError('ServiceFault', `x${'ü'.repeat(5000)}`));
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(maxFailureMessageBytes);
    expect(message).toMatch(/^xü+ \.\.\.$/);
  });

  it("Temporal's own failures and aborts pass, anything else is a fault that is retried", () => {
    for (const error of [new CancelledFailure('x'), ApplicationFailure.nonRetryable('x'), new CompleteAsyncError()]) {
      expect(asActivityFailure(error)).toBe(error);
    }
    const abort = new DOMException('gone', 'AbortError');
    expect(asActivityFailure(abort)).toBe(abort);
    const fault = asActivityFailure(new TypeError('x is not a function'));
    expect(fault).toMatchObject({
      type: 'Retempo.ServiceFault',
      nonRetryable: false,
      message: 'TypeError: x is not a function',
    });
    expect(fault.stack).toContain('failures.test');
    expect(Buffer.byteLength(fault.stack ?? '')).toBeLessThanOrEqual(1024);
    const deep = Object.assign(new Error('deep'), { stack: 'at x\n'.repeat(1000) });
    expect(Buffer.byteLength(asActivityFailure(deep).stack ?? '')).toBeLessThanOrEqual(1024);
    // What a port says needs no stack.
    expect(asActivityFailure(new PortError('Conflict', 'x')).stack).toBe('');
    expect(asActivityFailure('text')).toMatchObject({ type: 'Retempo.ServiceFault', message: 'text' });
  });

  it('wraps every activity, also one that throws before its first await', async () => {
    const activities = withActivityFailures({
      // oxlint-disable-next-line require-await -- what is tested
      async fails(text: string): Promise<string> {
        throw new PortError('Conflict', text);
      },
      works: (text: string) => Promise.resolve(text),
    });
    await expect(activities.fails('a')).rejects.toMatchObject({ type: 'Retempo.Conflict', message: 'a' });
    await expect(activities.works('b')).resolves.toBe('b');
  });
});
