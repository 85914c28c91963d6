import type { ErrorClass } from '@retempo/workflows/contracts';
import { isPortError, PortError } from '../ports/index.js';

const table: { readonly [code: string]: readonly [ErrorClass, string] } = {
  ENOSPC: ['QuotaExceeded', 'the disk is full; free space or choose another store'],
  EDQUOT: ['QuotaExceeded', 'the disk quota is used up; free space or raise the quota'],
  EFBIG: [
    'QuotaExceeded',
    'the file is larger than the file system or the process limit allows; split it or raise the limit',
  ],
  EACCES: ['AuthDenied', 'permission denied; give this process the right to it'],
  EPERM: ['AuthDenied', 'operation not permitted; give this process the right to it'],
  EROFS: ['AuthDenied', 'the file system is read-only; mount it writable'],
  EMFILE: ['Throttled', 'this process has too many open files; raise the limit or lower the concurrency'],
  ENFILE: ['Throttled', 'the machine has too many open files; raise its limit'],
  ENOENT: ['NotFound', 'there is no such file; check the path'],
  ENOTDIR: ['Conflict', 'a part of the path is a file, not a folder; move that file away'],
  EISDIR: ['Conflict', 'the path is a folder, not a file; name a file'],
  EEXIST: ['Conflict', 'it exists already; choose another name'],
  ELOOP: ['Integrity', 'it is a symbolic link; put the file itself there'],
  ENAMETOOLONG: ['InvalidSpec', 'the name is too long for the file system; shorten it'],
};

/** Error code of Node's file system functions, or undefined. */
export const codeOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/** Turns an error of the file system into a PortError that says what was done, where, and what to do. */
export function toPortError(error: unknown, action: string): PortError {
  if (isPortError(error)) return error;
  const code = codeOf(error);
  const [errorClass, reason] = (code === undefined ? undefined : table[code]) ?? [
    'ServiceFault' as const,
    error instanceof Error ? error.message : String(error),
  ];
  return new PortError(errorClass, `cannot ${action}: ${reason}`, { cause: error });
}

/** Runs `work`; whatever it throws leaves as a PortError. */
export async function guarded<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toPortError(error, action);
  }
}
