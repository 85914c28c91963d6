import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

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
