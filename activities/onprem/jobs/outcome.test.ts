import { describe, expect, it } from 'vitest';
import { outcomeOf, type EndOfProgram } from './outcome.js';

const end = (part: Partial<EndOfProgram>) =>
  outcomeOf({
    cause: 'own',
    exit: { code: 0, signal: null },
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:01.200Z',
    timeoutMs: 5000,
    tail: 'tail of the log',
    ...part,
  });

describe('outcome of a program', () => {
  it.each<[string, Partial<EndOfProgram>, string, string | undefined]>([
    ['exit code 0', {}, 'succeeded', undefined],
    ['exit code 1', { exit: { code: 1, signal: null } }, 'failed', 'UserCodeFailed'],
    ['a signal', { exit: { code: null, signal: 'SIGSEGV' } }, 'failed', 'UserCodeFailed'],
    ['SIGKILL from elsewhere', { exit: { code: null, signal: 'SIGKILL' } }, 'failed', 'UserCodeFailed'],
    ['SIGTERM from elsewhere', { exit: { code: null, signal: 'SIGTERM' } }, 'preempted', 'Preempted'],
    ['an exit code that nobody saw', { exit: null }, 'lost', 'ServiceFault'],
    ['stopped, though it exited with 0', { cause: 'stop' }, 'stopped', 'Cancelled'],
    ['stopped, exit code not seen', { cause: 'stop', exit: null }, 'stopped', 'Cancelled'],
    ['time limit', { cause: 'timeout', exit: { code: null, signal: 'SIGKILL' } }, 'failed', 'DeadlineExceeded'],
    ['shutdown of the machine', { cause: 'interrupted' }, 'preempted', 'Preempted'],
  ])('%s', (_title, part, result, errorClass) => {
    const outcome = end(part);
    expect([outcome.result, outcome.class]).toEqual([result, errorClass]);
    expect(outcome.billedSeconds).toBe(2);
  });

  it.each<Partial<EndOfProgram>>([
    { exit: { code: 1, signal: null } },
    { exit: { code: null, signal: 'SIGKILL' } },
    { exit: { code: null, signal: 'SIGTERM' } },
    { exit: null },
    { cause: 'timeout' },
    { cause: 'interrupted' },
  ])('says why in one sentence and names the next step: %j', (how) => {
    expect(end({ ...how, tail: '' }).message).toMatch(/^[^\n;]+; (look|raise|give)[^\n]+$/);
  });

  it.each<[Partial<EndOfProgram>, string]>([
    [
      { exit: { code: null, signal: 'SIGSEGV' } },
      'ended by SIGSEGV; look at its log and correct the program\ntail of the log',
    ],
    [{ exit: { code: 3, signal: null } }, 'exit code 3; look at its log and correct the program\ntail of the log'],
    [{ cause: 'stop', exit: null }, 'stopped on request (exit code not known)\ntail of the log'],
    [{}, 'exit code 0'],
  ])('says how it ended, with the end of the log unless all is well: %j', (how, message) => {
    expect(end(how).message).toBe(message);
  });

  it('names the memory of the machine where the kernel ends programs that want too much of it', () => {
    expect(end({ exit: { code: null, signal: 'SIGKILL' } }).message).toMatch(
      /^ended by SIGKILL .* when memory runs out;/
    );
  });

  it('costs nothing when the clock was set back meanwhile', () => {
    expect(end({ endedAt: '2025-12-31T23:00:00.000Z' }).billedSeconds).toBe(0);
  });

  it('keeps the sentence and as much of the end of the log as fits into 2 KiB', () => {
    const { message } = end({ exit: { code: 9, signal: null }, tail: `${'ü'.repeat(3000)}THE END` });
    expect(message.startsWith('exit code 9; look at its log and correct the program\n')).toBe(true);
    expect(message.endsWith('THE END')).toBe(true);
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(2048);
  });
});
