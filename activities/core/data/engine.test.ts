import { spawnSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { numberOf, numberOrNull, textOf, withEngine } from './engine.js';

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
