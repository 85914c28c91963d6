import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const program = new URL('../dist/configuration/on-demand.js', import.meta.url).href;
const example = fileURLToPath(new URL('../../examples/flight-delay/', import.meta.url));

/** Runs `script` in a process of its own in which a package cannot be found. */
function without(name: string, script: string): string {
  const resolve = `export async function resolve(specifier, context, next) {
    if (specifier === '${name}') throw new Error("Cannot find package '${name}'");
    return next(specifier, context);
  }`;
  const hook = `import { register } from 'node:module';
    register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(resolve))});`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [`--import=data:text/javascript,${encodeURIComponent(hook)}`, '--input-type=module', '-e', script],
    { encoding: 'utf8', timeout: 50_000 }
  );
  expect(stderr).toBe('');
  return stdout.trim();
}

describe('what reads the configuration', () => {
  const script = (times: number) => `
    import { loadConfig, loadProject } from ${JSON.stringify(program)};
    const told = async (load) => console.log(await load({ folder: ${JSON.stringify(example)}, providers: [] }).then(() => 'read', (error) => error.name + ': ' + error.message.split('\\n')[0]));
    for (let i = 0; i < ${times}; i++) { await told(loadConfig); await told(loadProject); }`;

  it.each(['yaml', 'zod'])('says what to do when %s cannot be loaded, every time that it is asked', (name) => {
    const lines = without(name, script(2)).split('\n');
    expect(lines).toHaveLength(4);
    for (const line of lines) {
      expect(line).toMatch(
        /^Error: the configuration cannot be read, .*install .* "npm ci", then start this process again/
      );
      expect(line).toContain(`Cannot find package '${name}'`);
    }
  });

  it('is not held up by a package that it does not need, and says itself what is wrong with the files', () => {
    const lines = without('@duckdb/node-api', script(1)).split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/^ConfigurationError: /),
      expect.stringMatching(/^ConfigurationError: /),
    ]);
  });
});
