import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jobPaths, type JobRecord } from './layout.js';
import { endOf, newJob, orderFor, outcomeOf, root, startsOf, startWith } from './supervised.test.support.js';

// Why a program was not started is told by whom it concerns: who wrote the release, who looks after the machine, or nobody of
// these. A release that is wrong is not tried again; a machine that is full is.

/** Runs a supervisor of a program with this command to its end; `script` as in `startWith`. */
async function startOf(command: readonly string[] | null, script = ''): Promise<unknown> {
  const key = newJob();
  const paths = jobPaths(root, key);
  const record = JSON.parse(readFileSync(paths.record, 'utf8')) as JobRecord;
  const { intent } = record;
  if (command !== null) {
    const spec = { ...intent.spec, program: { command } };
    writeFileSync(paths.record, JSON.stringify({ ...record, intent: { ...intent, spec } }));
  }
  expect(await endOf(startWith(script, orderFor(key, 50)))).toBe(0);
  expect(startsOf(key)).toBe(0);
  return outcomeOf(key);
}
const failed = (errorClass: string, message: RegExp) => ({
  result: 'failed',
  class: errorClass,
  message: expect.stringMatching(message) as string,
});

describe('a program that cannot be started', () => {
  it('because of what the release asks for is the fault of the release', async () => {
    const plain = join(root, 'train.js');
    writeFileSync(plain, 'process.exit(0)', { mode: 0o600 });
    expect(await startOf(['no-such-program'])).toMatchObject(
      failed('InvalidSpec', /^there is no program "no-such-program" in PATH .*correct train\.run/)
    );
    expect(await startOf([plain])).toMatchObject(
      failed('InvalidSpec', /train\.js" is not executable; start it through/)
    );
    expect(await startOf([process.execPath, '-e', 'x'.repeat(200_000)])).toMatchObject(
      failed('InvalidSpec', /^command and environment are too large; hand large values over/)
    );
  });

  it.each([
    ['ENOEXEC', 'InvalidSpec', /" is not a program; start it through its interpreter/],
    ['EAGAIN', 'CapacityUnavailable', /^the machine has no process left to give; end some or use another site/],
    ['ENOMEM', 'CapacityUnavailable', /^the machine has no memory left for another process; end some/],
    ['EDQUOT', 'CapacityUnavailable', /^the disk quota of the site is used up; free some/],
    ['EMFILE', 'ServiceFault', /^could not be started \(Error: refused\); look at supervisor\.log/],
  ])('because the system says %s is told as %s', async (code, errorClass, message) => {
    const refusing = `
      childProcess.spawn = () => {
        throw Object.assign(new Error('refused'), { code: '${code}', syscall: 'spawn' });
      };`;
    expect(await startOf(null, refusing)).toMatchObject(failed(errorClass, message));
  });

  it.each([
    ['EACCES', 'ServiceFault', /^could not be started \(Error: refused\); look at supervisor\.log/],
    ['ENOMEM', 'ServiceFault', /^could not be started \(Error: refused\)/],
    ['EDQUOT', 'CapacityUnavailable', /^the disk quota of the site is used up; free some/],
  ])('because its folder meets %s is told as %s, not as a fault of the program', async (code, errorClass, message) => {
    const refusing = `
      const mkdir = fs.mkdirSync;
      fs.mkdirSync = (path, options) => {
        if (!path.endsWith('/work')) return mkdir(path, options);
        throw Object.assign(new Error('refused'), { code: '${code}', syscall: 'mkdir' });
      };`;
    expect(await startOf(null, refusing)).toMatchObject(failed(errorClass, message));
  });

  it('for a reason without a name is the fault of nobody who could mend it', async () => {
    const refusing = `childProcess.spawn = () => { throw new Error('something else'); };`;
    expect(await startOf(null, refusing)).toMatchObject(failed('ServiceFault', /\(Error: something else\)/));
  });
});
