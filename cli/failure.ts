import { isGrpcServiceError } from '@temporalio/client';
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
  return grpcFailure(error) ?? { exitCode: exitCode.failed, code: 'error', message: messageOf(error) };
}

/** gRPC status codes of a server that cannot be reached or does not let us in, with what to do. */
const grpcNext: { readonly [code: number]: string } = {
  4: 'it did not answer in time; try again',
  7: 'it refuses this caller; check temporal.apiKey and temporal.namespace in retempo.yaml',
  14: 'start one with: retempo dev, or correct temporal.address in retempo.yaml',
  16: 'it does not know this caller; check temporal.apiKey in retempo.yaml',
};

function grpcFailure(error: unknown): Failure | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const code: number | undefined = isGrpcServiceError(current) ? current.code : undefined;
    if (code === undefined) continue;
    const next = grpcNext[code];
    if (next === undefined) return undefined;
    return { exitCode: exitCode.away, code: 'unavailable', message: `the Temporal server does not answer; ${next}` };
  }
  return undefined;
}

/** Text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
