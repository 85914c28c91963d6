import type { JobOutcome } from '@retempo/workflows/contracts';
import { lastBytes } from './log.js';

/** Most bytes of a message in an outcome. */
const maxMessageBytes = 2048;

/** How a program ended, as its parent learned it; null when nobody was there to learn it. */
export type ProgramExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null } | null;

/** Why the supervisor ended a program; `own` when the program ended by itself. */
export type EndCause = 'own' | 'stop' | 'timeout' | 'interrupted';

export interface EndOfProgram {
  readonly cause: EndCause;
  readonly exit: ProgramExit;
  /** ISO 8601. */
  readonly startedAt: string;
  /** ISO 8601. */
  readonly endedAt: string;
  readonly timeoutMs: number;
  /** End of the program's log, already printable. */
  readonly tail: string;
}

/** A message of at most 2 KiB that keeps the sentence whole and as much of the end of the log as fits. */
export function messageWithTail(sentence: string, tail: string): string {
  if (tail === '') return lastBytes(sentence, maxMessageBytes);
  return `${sentence}\n${lastBytes(tail, maxMessageBytes - Buffer.byteLength(sentence) - 1)}`;
}

const how = (exit: ProgramExit): string => {
  if (exit === null) return 'exit code not known';
  return exit.signal === null ? `exit code ${exit.code ?? 'unknown'}` : `ended by ${exit.signal}`;
};

function verdictOf(end: EndOfProgram): Pick<JobOutcome, 'result' | 'class'> & { readonly sentence: string } {
  const { cause, exit } = end;
  if (cause === 'stop') return { result: 'stopped', class: 'Cancelled', sentence: `stopped on request (${how(exit)})` };
  if (cause === 'timeout') {
    return {
      result: 'failed',
      class: 'DeadlineExceeded',
      sentence: `stopped after its time limit of ${end.timeoutMs / 1000} s (${how(exit)}); raise train.timeout or make it faster`,
    };
  }
  if (cause === 'interrupted') {
    return {
      result: 'preempted',
      class: 'Preempted',
      sentence: `the machine asked for an end (${how(exit)}); look why it shuts down or who ended the supervisor`,
    };
  }
  if (exit === null) {
    return {
      result: 'lost',
      class: 'ServiceFault',
      sentence:
        'supervisor or machine died while the program ran: whether it had finished is not known; look at supervisor.log in the folder of the job',
    };
  }
  if (exit.signal === 'SIGTERM') {
    return {
      result: 'preempted',
      class: 'Preempted',
      sentence: 'ended by SIGTERM that was not sent by Retempo; look who sent it',
    };
  }
  if (exit.signal === 'SIGKILL') {
    return {
      result: 'failed',
      class: 'UserCodeFailed',
      sentence:
        'ended by SIGKILL that was not sent by Retempo: often the kernel, when memory runs out; give the program less data or the machine more memory',
    };
  }
  if (exit.code === 0) return { result: 'succeeded', sentence: 'exit code 0' };
  return {
    result: 'failed',
    class: 'UserCodeFailed',
    sentence: `${how(exit)}; look at its log and correct the program`,
  };
}

/**
 * Outcome of a program that was started: exit code 0 succeeded; any other code or signal is the user's; SIGTERM from
 * elsewhere is a preemption; an exit code that nobody saw is `lost`, never success.
 */
export function outcomeOf(end: EndOfProgram): JobOutcome {
  const { sentence, ...verdict } = verdictOf(end);
  return {
    ...verdict,
    message: verdict.result === 'succeeded' ? sentence : messageWithTail(sentence, end.tail),
    startedAt: end.startedAt,
    endedAt: end.endedAt,
    billedSeconds: Math.max(0, Math.ceil((Date.parse(end.endedAt) - Date.parse(end.startedAt)) / 1000)),
  };
}
