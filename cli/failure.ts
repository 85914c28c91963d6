import { isGrpcServiceError, NamespaceNotFoundError } from '@temporalio/client';
import { isPortError } from '@retempo/activities/ports';
import { isStarterError, type StarterProblem } from '@retempo/starters';
import { ConfigurationError, DevServerError } from '@retempo/workers';
import { CommanderError } from 'commander';

/** Exit codes of every command. */
export const exitCode = {
  ok: 0,
  /** Refused, failed, or not found. */
  failed: 1,
  /** Wrong arguments, or something wrong in `retempo.yaml` or a model file. */
  usage: 2,
  /** Temporal does not answer, or no worker does. */
  away: 3,
} as const;

/** How a command ended, when it did not end well. */
export interface Failure {
  readonly exitCode: number;
  /** Stable name for programs, such as `unknownModel`. */
  readonly code: string;
  /** What is wrong, where, and what to do next. */
  readonly message: string;
}

/** An end that a command has foreseen. The message names the next step. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  readonly code: string;

  constructor(exitCode: number, code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.code = code;
  }
}

const starterExits: { readonly [problem in StarterProblem]: number } = {
  unknownModel: exitCode.failed,
  nothingToDo: exitCode.failed,
  malformed: exitCode.usage,
  noWorker: exitCode.away,
  unavailable: exitCode.away,
  noAccess: exitCode.away,
};

const awayProblems: readonly string[] = ['noAnswer', 'notReachable'];

/** Turns anything that was thrown into an exit code and one message. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) return { exitCode: error.exitCode, code: error.code, message: error.message };
  if (error instanceof CommanderError) {
    return { exitCode: error.exitCode === 0 ? 0 : exitCode.usage, code: error.code, message: error.message };
  }
  if (error instanceof ConfigurationError) {
    return { exitCode: exitCode.usage, code: 'configuration', message: error.message };
  }
  if (isStarterError(error)) {
    return { exitCode: starterExits[error.problem], code: error.problem, message: error.message };
  }
  if (error instanceof DevServerError) {
    const away = awayProblems.includes(error.problem);
    return { exitCode: away ? exitCode.away : exitCode.failed, code: error.problem, message: error.message };
  }
  if (isPortError(error)) {
    const wrong = error.class === 'InvalidSpec';
    return { exitCode: wrong ? exitCode.usage : exitCode.failed, code: error.class, message: error.message };
  }
  return serverFailure(error) ?? fileFailure(error) ?? unforeseen(error);
}

const unforeseen = (error: unknown): Failure => ({
  exitCode: exitCode.failed,
  code: 'error',
  message: `${messageOf(error)} (not foreseen; repeat with --verbose to see where it comes from, and look with: retempo doctor)`,
});

/** gRPC status codes of a server that cannot be reached or does not let us in, with what to do. */
const serverSays: { readonly [code: number]: { readonly code: string; readonly message: string } } = {
  4: { code: 'unavailable', message: 'the Temporal server did not answer in time; try again' },
  7: {
    code: 'noAccess',
    message:
      'the Temporal server refuses this caller; check temporal.apiKey, temporal.tls and temporal.namespace in retempo.yaml',
  },
  14: {
    code: 'unavailable',
    message:
      'the Temporal server does not answer; start one with: retempo dev, or correct temporal.address in retempo.yaml',
  },
  16: {
    code: 'noAccess',
    message: 'the Temporal server does not know this caller; check temporal.apiKey and temporal.tls in retempo.yaml',
  },
};
const notFound = 5;

function serverFailure(error: unknown): Failure | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    if (current instanceof NamespaceNotFoundError) return unknownNamespace(current.namespace);
    if (!isGrpcServiceError(current)) continue;
    const code: number = current.code;
    // On a connection of workers only the message says what was not found.
    const about = current.details === '' ? current.message : current.details;
    const namespace = code === notFound ? /^Namespace (\S+) is not found/.exec(about)?.[1] : undefined;
    if (namespace !== undefined) return unknownNamespace(namespace);
    const said = serverSays[code];
    return said === undefined ? undefined : { exitCode: exitCode.away, ...said };
  }
  return undefined;
}

const unknownNamespace = (namespace: string): Failure => ({
  exitCode: exitCode.away,
  code: 'noAccess',
  message:
    `the Temporal server has no namespace "${namespace}"; correct --namespace, TEMPORAL_NAMESPACE or temporal.namespace of ` +
    `retempo.yaml, or create it with: temporal operator namespace create --namespace ${namespace}`,
});

/** What the operating system says of a file, with what to do. */
const fileNext: { readonly [code: string]: string } = {
  EACCES:
    'give this user the right to it, or move it: state, artifacts and sites.<site>.root of retempo.yaml say where things are',
  EPERM:
    'give this user the right to it, or move it: state, artifacts and sites.<site>.root of retempo.yaml say where things are',
  EROFS:
    'move it to a disk that can be written: state, artifacts and sites.<site>.root of retempo.yaml say where things are',
  ENOSPC: 'the disk is full: make room, or move the state folder (state: in retempo.yaml)',
  EDQUOT: 'the quota is used up: make room, or move the state folder (state: in retempo.yaml)',
  EMFILE: 'too many files are open: raise the limit (ulimit -n), then try again',
  ENOTDIR: 'a file lies where a folder should be: remove it, or correct the path in retempo.yaml',
  EISDIR: 'a folder lies where a file should be: remove it, or correct the path in retempo.yaml',
};

function fileFailure(error: unknown): Failure | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const { code } = current as NodeJS.ErrnoException;
    const next = typeof code === 'string' && Object.hasOwn(fileNext, code) ? fileNext[code] : undefined;
    if (next !== undefined) return { exitCode: exitCode.failed, code: 'file', message: `${current.message}; ${next}` };
  }
  return undefined;
}

/** Text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
