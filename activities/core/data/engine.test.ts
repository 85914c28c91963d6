import { spawnSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import type { PortError } from '../ports/port-error.js';
import { numberOf, numberOrNull, openEngine, textOf, withEngine } from './engine.js';

const program = new URL('../dist/data/engine.js', import.meta.url).href;

describe('an engine that cannot be loaded', () => {
  it('is told with what to do, and is loaded by the next call when it can be', () => {
    const resolve = `let isThere = false;
      export async function resolve(specifier, context, next) {
        if (specifier !== '@duckdb/node-api' || isThere) return next(specifier, context);
        isThere = true;
        throw new Error("Cannot find package '@duckdb/node-api'\\nmore lines");
      }`;
    const hook = `import { register } from 'node:module';
      register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(resolve))});`;
    const script = `
      import { withEngine } from ${JSON.stringify(program)};
      for (let i = 0; i < 2; i++) {
        const asking = withEngine({}, undefined, (engine) => engine.rows('SELECT 42 AS answer'));
        console.log(JSON.stringify(await asking.catch(({ class: errorClass, message }) => [errorClass, message])));
      }`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [`--import=data:text/javascript,${encodeURIComponent(hook)}`, '--input-type=module', '-e', script],
      { encoding: 'utf8', timeout: 50_000 }
    );
    expect(stderr).toBe('');
    const [first, second] = stdout.trim().split('\n');
    const [errorClass, message] = JSON.parse(first ?? '') as [string, string];
    expect(errorClass).toBe('ServiceFault');
    expect(message).toMatch(
      /^reading data needs the package @duckdb\/node-api, .*"npm ci".* restart the worker \(Cannot find package '@duckdb\/node-api'\)$/
    );
    expect(JSON.parse(second ?? '')).toEqual([{ answer: 42 }]);
  });
});

describe('an answer of the engine', () => {
  it('that lacks a number or a text is a fault, never a 0 or an empty text', () => {
    const row = { n: 3, none: null, text: 'x' };
    expect([numberOf(row, 'n'), numberOrNull(row, 'n'), numberOrNull(row, 'none'), textOf(row, 'text')]).toEqual([
      3,
      3,
      null,
      'x',
    ]);
    const fault = (what: string) => expect.objectContaining({ class: 'ServiceFault', message: what }) as Error;
    for (const column of ['none', 'text', 'absent'])
      expect(() => numberOf(row, column)).toThrow(fault(`the data engine gave no number for ${column}`));
    expect(() => numberOf(undefined, 'n')).toThrow(fault('the data engine gave no number for n'));
    for (const column of ['text', 'absent'])
      expect(() => numberOrNull(row, column)).toThrow(fault(`the data engine gave no number for ${column}`));
    for (const column of ['none', 'n', 'absent'])
      expect(() => textOf(row, column)).toThrow(fault(`the data engine gave no text for ${column}`));
  });

  it('that is an error says so in two lines and no more than 400 characters, whatever the data hold', async () => {
    const told = (sql: string) =>
      withEngine({}, undefined, (engine) => engine.rows(sql)).catch((error: unknown) => error);
    const start = 'the data could not be read: Conversion Error: ';
    const long = (await told(`SELECT CAST(repeat('x', 100000) AS INTEGER)`)) as PortError;
    expect([long.class, long.message.startsWith(start), long.message.length]).toEqual([
      'InvalidSpec',
      true,
      'the data could not be read: '.length + 400,
    ]);
    expect(await told(`SELECT CAST(repeat('x' || chr(10), 9) AS INTEGER)`)).toMatchObject({
      message: expect.stringMatching(new RegExp(`^${start}[^x]*'x x$`)) as string,
    });
  });

  it('that the machine could not give is its fault, and asked for again; what is wrong with the data is not', async () => {
    const file = join(tmpdir(), 'retempo-no-such-folder', 'a.parquet');
    const asking = (sql: string) => withEngine({}, undefined, (engine) => engine.rows(sql));
    await expect(asking(`COPY (SELECT 1 AS a) TO '${file}' (FORMAT parquet)`)).rejects.toMatchObject({
      class: 'ServiceFault',
      message: expect.stringMatching(/^the data could not be read: IO Error: /) as string,
    });
    await expect(asking('SELECT no_such_column')).rejects.toMatchObject({ class: 'InvalidSpec' });
  });

  it('that nobody waits for any more is not computed, however early that becomes known', async () => {
    const endless = 'SELECT sum(sqrt(a.i * b.i)) FROM range(10000000) a(i), range(10000000) b(i)';
    const controller = new AbortController();
    const call = { signal: controller.signal, deadlineMs: Date.now() + 3_600_000 };
    const asking = withEngine({ threads: 1 }, call, (engine) => {
      // Every thread that could begin with it is busy for a while.
      for (let n = 0; n < 8; n++) pbkdf2('a', 'b', 100_000, 64, 'sha512', () => undefined);
      const running = engine.rows(endless);
      // In the same turn: the engine has not even begun.
      controller.abort();
      return running;
    });
    await expect(asking).rejects.toMatchObject({ class: 'Cancelled' });
    await expect(withEngine({}, call, () => Promise.resolve(1))).rejects.toMatchObject({ class: 'Cancelled' });
  });
});

describe('what an engine leaves', () => {
  /** Runs a program of its own that has `withEngine` and the count of its `threads`; it has to end by itself. */
  const ended = (script: string) => {
    const before = `
      import { readdirSync } from 'node:fs';
      import { withEngine } from ${JSON.stringify(program)};
      const controller = new AbortController();
      const call = { signal: controller.signal, deadlineMs: Date.now() + 3_600_000 };
      const threads = () => process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0;
      const ask = (sql) => withEngine({ threads: 4 }, call, (engine) => engine.rows(sql));`;
    return spawnSync(process.execPath, ['--input-type=module', '-e', before + script], {
      encoding: 'utf8',
      timeout: 60_000,
    });
  };

  it('is no thread, no ear for the end of the call, and nothing that keeps the process alive', () => {
    const { stdout, stderr, status } = ended(`
      import { getEventListeners } from 'node:events';
      await ask('SELECT 1');
      const before = threads();
      for (let i = 0; i < 5; i++) await ask('SELECT 1');
      console.log(threads() - before, getEventListeners(controller.signal, 'abort').length);
      // Somebody gives the call up when its work is long done.
      controller.abort();`);
    expect({ stdout, stderr, status }).toEqual({ stdout: '0 0\n', stderr: '', status: 0 });
  });

  it('is nothing that goes on after a call that was given up in the middle', () => {
    const { stdout, stderr, status } = ended(`
      const endless = 'SELECT sum(sqrt(a.i * b.i)) FROM range(10000000) a(i), range(10000000) b(i)';
      const asking = withEngine({}, call, (engine) => {
        const running = engine.rows(endless);
        setTimeout(() => controller.abort(), 30);
        return running;
      }).catch((error) => error.class);
      console.log(await asking);`);
    expect({ stdout, stderr, status }).toEqual({ stdout: 'Cancelled\n', stderr: '', status: 0 });
  });

  it('is no folder, also when it cannot start; closing it twice is once', async () => {
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`retempo-data-${process.pid}-`));
    const before = folders();
    await expect(openEngine({ memoryLimit: 'lots' })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(/^the data engine cannot start with lots: /) as string,
    });
    await expect(openEngine({ threads: -1 })).rejects.toThrow('cannot start with the default memory limit: ');
    expect(folders()).toEqual(before);
    const engine = await openEngine();
    expect(folders()).toHaveLength(before.length + 1);
    engine.close();
    engine.close();
    expect(folders()).toEqual(before);
  });
});
