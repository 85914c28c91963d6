import type { ErrorClass } from '@retempo/workflows/contracts';
import { PortError } from '../ports/index.js';

/** One fault: the next `times` calls of `method` fail, `before` they reach the outside or `after` they did their work. */
export interface Fault {
  readonly method: string;
  readonly when: 'before' | 'after';
  readonly times: number;
  /** Default `UnknownOutcome`: what a caller sees of a lost answer. */
  readonly class?: ErrorClass;
}

/**
 * The same port with faults. "The call worked but the answer was lost" is `after`: the work is done, the caller gets an
 * error. Methods whose result is not a promise are passed through.
 */
export function withFaults<T extends object>(port: T, faults: readonly Fault[]): T {
  const left = faults.map((fault) => ({ ...fault }));
  return new Proxy(port, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const fault = left.find(({ method, times }) => method === name && times > 0);
        if (fault === undefined) return Reflect.apply(value, target, args) as unknown;
        fault.times -= 1;
        const error = new PortError(
          fault.class ?? 'UnknownOutcome',
          `${String(name)}: answer lost (${fault.when} the work)`
        );
        if (fault.when === 'before') return Promise.reject(error);
        return Promise.resolve(Reflect.apply(value, target, args) as unknown).then(() => {
          throw error;
        });
      };
    },
  });
}
