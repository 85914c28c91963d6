import { PortError } from '@retempo/activities/ports';
import { StarterError, type StarterProblem } from '@retempo/starters';
import { ConfigurationError, DevServerError } from '@retempo/workers';
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { CliError, exitCode, failureOf } from './failure.js';

const grpc = (code: number) => Object.assign(new Error('grpc'), { code, details: '', metadata: {} });

describe('failureOf', () => {
  it.each<[StarterProblem, number]>([
    ['unknownModel', 1],
    ['nothingToDo', 1],
    ['malformed', 2],
    ['noWorker', 3],
    ['unavailable', 3],
  ])('gives %s of a starter exit code %d', (problem, code) => {
    expect(failureOf(new StarterError(problem, 'm'))).toEqual({ exitCode: code, code: problem, message: 'm' });
  });

  it.each<[unknown, number]>([
    [new CliError(exitCode.away, 'x', 'm'), 3],
    [new ConfigurationError([]), 2],
    [new DevServerError('portInUse', 'm'), 1],
    [new DevServerError('notReachable', 'm'), 3],
    [new PortError('InvalidSpec', 'm'), 2],
    [new PortError('ServiceFault', 'm'), 1],
    [new CommanderError(1, 'commander.unknownOption', 'm'), 2],
    [new CommanderError(0, 'commander.helpDisplayed', 'm'), 0],
    [new Error('m'), 1],
    ['text', 1],
  ])('gives %s exit code %d', (error, code) => expect(failureOf(error).exitCode).toBe(code));

  it('explains a server that is away, also behind another error, and says what to do', () => {
    const failure = failureOf(new Error('outer', { cause: grpc(14) }));
    expect(failure).toMatchObject({ exitCode: 3, code: 'unavailable' });
    expect(failure.message).toContain('retempo dev');
    expect(failureOf(grpc(3)).exitCode).toBe(1);
  });
});
