import { request } from 'node:http';
import type { ErrorClass } from '@retempo/workflows/contracts';
import { type Call, PortError } from '@retempo/activities/ports';
import type { AdminError } from './admin.js';
import type { RouterProcess } from './layout.js';

const maxAnswerBytes = 64 * 1024 * 1024;

/** What one call to a router's admin port wants; without a body it is a GET. */
export interface AdminRequest {
  readonly path: string;
  readonly body?: unknown;
  /** A change: when its answer is lost, it may have worked. */
  readonly mutates: boolean;
}

type Told = { readonly status: number; readonly body: unknown };

const isAdminError = (body: unknown): body is AdminError =>
  typeof body === 'object' &&
  body !== null &&
  typeof (body as { error?: { class?: unknown } }).error?.class === 'string';

/**
 * One call to a router. The router's refusals become {@link PortError} of the class it named; a router that cannot be reached is
 * `ServiceFault`; a change whose answer was lost, came too late or cannot be read is `UnknownOutcome`.
 */
export function callRouter(router: RouterProcess, what: AdminRequest, call: Call): Promise<unknown> {
  const where = `router of admin port ${router.adminPort}`;
  const timeoutMs = call.deadlineMs - Date.now();
  if (call.signal.aborted)
    return Promise.reject(
      new PortError(
        'Cancelled',
        `${where}: ${what.path} was not sent: the caller no longer waits; repeat the call if it is still wanted`
      )
    );
  if (timeoutMs <= 0)
    return Promise.reject(
      new PortError(
        'DeadlineExceeded',
        `${where}: ${what.path} was not sent: the deadline is over; repeat the call with more time`
      )
    );
  const sentBody = what.body === undefined ? undefined : Buffer.from(JSON.stringify(what.body));

  return new Promise<Told>((resolve, reject) => {
    let connected = false;
    // Only what certainly never reached the router has a known outcome.
    const lost = (errorClass: ErrorClass, reason: string, cause?: unknown) => {
      const unknown = what.mutates && connected;
      const message = unknown
        ? `${where}: ${what.path} may or may not have worked (${reason}); read the state back before deciding`
        : `${where}: ${what.path} failed (${reason}); repeat the call, a router that has died is started again`;
      reject(new PortError(unknown ? 'UnknownOutcome' : errorClass, message, { cause }));
    };
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: router.adminPort,
        path: what.path,
        method: sentBody === undefined ? 'GET' : 'POST',
        agent: false,
        headers: {
          authorization: `Bearer ${router.token}`,
          ...(sentBody === undefined ? {} : { 'content-type': 'application/json', 'content-length': sentBody.length }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > maxAnswerBytes) response.destroy(new Error('the answer is too large'));
          chunks.push(chunk);
        });
        response.on('error', (error) => lost('ServiceFault', error.message, error));
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
          } catch (error) {
            lost('ServiceFault', 'the answer is not JSON', error);
          }
        });
      }
    );
    const timer = setTimeout(() => {
      lost('DeadlineExceeded', 'no answer before the deadline');
      outgoing.destroy();
    }, timeoutMs);
    const aborted = () => {
      lost('Cancelled', 'the caller no longer waits');
      outgoing.destroy();
    };
    call.signal.addEventListener('abort', aborted, { once: true });
    outgoing.on('socket', (socket) => socket.on('connect', () => (connected = true)));
    outgoing.on('error', (error) => lost('ServiceFault', error.message, error));
    outgoing.on('close', () => {
      clearTimeout(timer);
      call.signal.removeEventListener('abort', aborted);
      lost('ServiceFault', 'the connection was closed');
    });
    outgoing.end(sentBody);
  }).then(({ status, body }) => {
    if (status === 200) return body;
    if (!isAdminError(body))
      throw new PortError(
        what.mutates ? 'UnknownOutcome' : 'ServiceFault',
        `${where}: unexpected status ${status}; look what listens on that port, then read the state back`
      );
    const { class: errorClass, message, retryAfterMs } = body.error;
    // A fault inside the router during a change may have happened before or after the change was stored.
    const told = errorClass === 'ServiceFault' && what.mutates ? 'UnknownOutcome' : errorClass;
    throw new PortError(told, message, retryAfterMs === undefined ? {} : { retryAfterMs });
  });
}
