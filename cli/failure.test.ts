import { NamespaceNotFoundError } from '@temporalio/client';
import { PortError } from '@retempo/activities/ports';
import { StarterError, type StarterProblem } from '@retempo/starters';
import { ConfigurationError, DevServerError } from '@retempo/workers';
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { CliError, exitCode, failureOf } from './failure.js';

const grpc = (code: number, details = '') => Object.assign(new Error('grpc'), { code, details, metadata: {} });

describe('failureOf', () => {
  it.each<[StarterProblem, number]>([
    ['unknownModel', 1],
    ['nothingToDo', 1],
    ['malformed', 2],
    ['noWorker', 3],
    ['unavailable', 3],
    ['noAccess', 3],
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

  it('leaves an end that was foreseen as it is', () => {
    const foreseen = new CliError(exitCode.away, 'noWorker', 'start one', new Error('why'));
    expect(failureOf(foreseen)).toEqual({ exitCode: 3, code: 'noWorker', message: 'start one' });
    expect(foreseen.cause).toEqual(new Error('why'));
  });

  it('explains a server that is away, also behind another error, and says what to do', () => {
    const failure = failureOf(new Error('outer', { cause: grpc(14) }));
    expect(failure).toMatchObject({ exitCode: 3, code: 'unavailable' });
    expect(failure.message).toContain('retempo dev');
    expect(failureOf(grpc(3)).exitCode).toBe(1);
  });

  it.each<[string, unknown, string]>([
    ['a caller without rights', grpc(7), 'refuses this caller; check temporal.apiKey'],
    [
      'a caller that is not known',
      new Error('x', { cause: grpc(16) }),
      'does not know this caller; check temporal.apiKey',
    ],
    ['a namespace that is not there', new NamespaceNotFoundError('nope'), 'no namespace "nope"; correct --namespace'],
    ['the same, as gRPC says it', grpc(5, 'Namespace nope is not found.'), 'namespace create --namespace nope'],
    [
      'the same, as the connection of workers says it',
      Object.assign(grpc(5, ''), { message: 'Namespace nope is not found.' }),
      'namespace create --namespace nope',
    ],
  ])('explains %s, and what to correct', (_what, error, says) => {
    expect(failureOf(error)).toMatchObject({
      exitCode: 3,
      code: 'noAccess',
      message: expect.stringContaining(says) as string,
    });
  });

  it.each(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENOTDIR', 'EISDIR'])(
    'says what to do about a file: %s',
    (code) => {
      const error = Object.assign(new Error(`${code}: no, mkdir '/x'`), { code });
      const failure = failureOf(new Error('outer', { cause: error }));
      expect(failure).toMatchObject({ exitCode: 1, code: 'file' });
      expect(failure.message).toMatch(/^E[A-Z]+: no, mkdir '\/x'; .{20,}/);
    }
  );

  it('names a next step also for what nobody has foreseen', () => {
    expect(failureOf(new TypeError('x is not a function')).message).toMatch(
      /^x is not a function \(.*--verbose.*doctor/
    );
    expect(failureOf(grpc(13)).message).toContain('--verbose');
  });
});
