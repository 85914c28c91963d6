import {
  Client,
  Connection,
  NamespaceNotFoundError,
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { call } from './call.js';
import { isStarterError, StarterError } from './errors.js';

// Nobody listens on port 1, and nothing here is asked: what a call throws is given.
const connection = Connection.lazy({ address: '127.0.0.1:1' });
const client = new Client({ connection });
afterAll(() => connection.close());

/** What `call` makes of an error. */
async function failing(error: unknown): Promise<unknown> {
  try {
    return await call({ client, model: 'flight-delay', timeoutMs: 1_500 }, 'retrain', async () => {
      throw error;
    });
  } catch (thrown) {
    return thrown;
  }
}

/** What grpc-js throws: an error with a status code. */
const grpcError = (code: number, details: string) =>
  Object.assign(new Error(`${code}: ${details}`), { code, details, metadata: {} });

const table: readonly {
  readonly what: string;
  readonly error: unknown;
  readonly problem: string;
  readonly says: string;
}[] = [
  {
    what: 'a workflow that does not exist',
    error: new WorkflowNotFoundError('not found', 'retempo/flight-delay', undefined),
    problem: 'unknownModel',
    says: 'retempo apply',
  },
  {
    what: 'NOT_FOUND inside a service error',
    error: new ServiceError('query failed', { cause: grpcError(5, 'workflow not found') }),
    problem: 'unknownModel',
    says: 'there is no model "flight-delay"',
  },
  {
    what: 'an update without an answer in time, and no server to ask',
    error: new WorkflowUpdateRPCTimeoutOrCancelledError('update timed out', { cause: new Error('deadline') }),
    problem: 'unavailable',
    says: 'the Temporal server does not answer within 1.5 s (retrain flight-delay); whether it took the request is not known',
  },
  {
    what: 'a deadline inside a service error, and no server to ask',
    error: new ServiceError('query failed', { cause: grpcError(4, 'Deadline exceeded') }),
    problem: 'unavailable',
    says: 'ask again with the same id',
  },
  {
    what: 'an update that the validator refused',
    error: new WorkflowUpdateFailedError('update failed', ApplicationFailure.nonRetryable('kind: expected one of')),
    problem: 'malformed',
    says: 'retrain flight-delay: kind: expected one of',
  },
  {
    what: 'FAILED_PRECONDITION',
    error: new ServiceError('update failed', { cause: grpcError(9, 'Workflow Task in failed state') }),
    problem: 'noWorker',
    says: 'the workers cannot carry on the governor (retrain flight-delay, 1.5 s)',
  },
  {
    what: 'UNAVAILABLE',
    error: new ServiceError('failed', { cause: grpcError(14, 'connection refused') }),
    problem: 'unavailable',
    says: 'the Temporal server does not answer (retrain flight-delay); whether it took the request is not known',
  },
  {
    what: 'PERMISSION_DENIED',
    error: new ServiceError('failed', { cause: grpcError(7, 'denied') }),
    problem: 'noAccess',
    says: 'refuses this client; check its API key, certificate and namespace (retrain flight-delay); nothing was started',
  },
  {
    what: 'UNAUTHENTICATED',
    error: new ServiceError('failed', { cause: grpcError(16, 'who are you') }),
    problem: 'noAccess',
    says: 'does not know this client',
  },
  {
    what: 'a namespace that does not exist',
    error: new NamespaceNotFoundError('nope'),
    problem: 'noAccess',
    says: 'has no namespace "nope"; correct the namespace of the client',
  },
  {
    what: 'RESOURCE_EXHAUSTED',
    error: new ServiceError('failed', { cause: grpcError(8, 'namespace rate limit') }),
    problem: 'unavailable',
    says: 'retrain flight-delay',
  },
];

describe('call', () => {
  it.each(table)('$what is $problem', async ({ error, problem, says }) => {
    const thrown = await failing(error);
    expect(thrown).toBeInstanceOf(StarterError);
    expect(thrown).toMatchObject({ problem, message: expect.stringContaining(says), cause: error });
  });

  it.each([
    ['it answers', () => Promise.resolve({}), 'noWorker'],
    ['it refuses this caller', () => Promise.reject(grpcError(7, 'denied')), 'noWorker'],
    ['it has too many callers', () => Promise.reject(grpcError(8, 'rate limit')), 'noWorker'],
    ['it cannot be reached', () => Promise.reject(grpcError(14, 'connection refused')), 'unavailable'],
    ['it says nothing in time', () => Promise.reject(grpcError(4, 'Deadline exceeded')), 'unavailable'],
    ['the connection is broken', () => Promise.reject(new Error('Channel has been shut down')), 'unavailable'],
  ])('a deadline is asked of the server itself: %s', async (_, answer, problem) => {
    const asked = vi.spyOn(connection.workflowService, 'getSystemInfo').mockImplementation(answer as never);
    const cause = grpcError(4, 'Deadline exceeded');
    expect(await failing(new ServiceError('query failed', { cause }))).toMatchObject({ problem });
    expect(asked).toHaveBeenCalledTimes(1);
    // Where the server has spoken already, it is not asked again.
    await failing(new WorkflowNotFoundError('not found', 'retempo/flight-delay', undefined));
    expect(asked).toHaveBeenCalledTimes(1);
    asked.mockRestore();
  });

  it('leaves a StarterError as it is, and does not hide what it does not know', async () => {
    const own = new StarterError('nothingToDo', 'nothing waits');
    expect(await failing(own)).toBe(own);
    const bug = new TypeError('x is not a function');
    expect(await failing(bug)).toBe(bug);
  });

  it.each([
    ['too many ask at once', new ServiceError('failed', { cause: grpcError(8, 'rate limit') })],
    ['the governor began anew', new ServiceError('failed', { cause: new Error('update was aborted by closing') })],
    ['the governor has begun anew', new Error('update "a" not found')],
    ['its tasks fail', new ServiceError('failed', { cause: grpcError(9, 'Workflow Task in failed state') })],
  ])('asks again where it was turned away: %s', async (_what, error) => {
    const run = vi.fn(() => (run.mock.calls.length < 3 ? Promise.reject(error) : Promise.resolve('answer')));
    await expect(call({ client, model: 'm', timeoutMs: 60_000 }, 'ask', run)).resolves.toBe('answer');
    expect(run).toHaveBeenCalledTimes(3);
  });

  it('asks again only after a pause that grows, until its time is up', async () => {
    const run = vi.fn(() => Promise.reject(new ServiceError('failed', { cause: grpcError(8, 'rate limit') })));
    const asked = call({ client, model: 'm', timeoutMs: 1_500 }, 'ask', run);
    await expect(asked).rejects.toMatchObject({ problem: 'unavailable' });
    expect(run.mock.calls.length).toBeGreaterThan(1);
    // From half of 50 ms on, twice as long each time.
    expect(run.mock.calls.length).toBeLessThan(10);
  });

  const turnedAway = ['RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION'];
  it.each(table.filter(({ what }) => !turnedAway.includes(what)))('asks once: $what', async ({ error }) => {
    const run = vi.fn(() => Promise.reject(error as Error));
    await expect(call({ client, model: 'm', timeoutMs: 1_500 }, 'ask', run)).rejects.toThrow();
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('passes the answer on', async () => {
    await expect(call({ client, model: 'm', timeoutMs: 1_000 }, 'ask', () => Promise.resolve(7))).resolves.toBe(7);
  });
});

describe('isStarterError', () => {
  it('holds for the error of another copy of this package', () => {
    const other = Object.assign(new Error('there is no model "x"'), {
      [Symbol.for('retempo.StarterError')]: true,
      problem: 'unknownModel',
    });
    expect(isStarterError(other)).toBe(true);
    expect(other).not.toBeInstanceOf(StarterError);
  });

  it.each([[null], [undefined], ['unknownModel'], [new Error('x')], [{ problem: 'unknownModel' }]])(
    'not for %j',
    (value) => {
      expect(isStarterError(value)).toBe(false);
    }
  );
});
