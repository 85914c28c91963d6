import { readFileSync } from 'node:fs';
import { compileFunction } from 'node:vm';
import { describe, expect, it } from 'vitest';
import * as analysis from './index.js';

const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');

/** The parts of the README's example: the names it imports and the code below. */
function example(): { readonly names: readonly string[]; readonly body: string } {
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const [line = '', list = ''] = /^import \{ (.*) \} from '@retempo\/analysis';\n/.exec(code) ?? [];
  return { names: list.split(', '), body: code.slice(line.length) };
}

describe('the example of the README', () => {
  it('runs with nothing but this package and prints what its comments say', () => {
    const { names, body } = example();
    const printed: string[] = [];
    const log = (...values: unknown[]): void => void printed.push(values.join(' '));
    const exported = names.map((name) => (analysis as Readonly<Record<string, unknown>>)[name]);
    expect(exported.every((value) => typeof value === 'function')).toBe(true);
    compileFunction(body, [...names, 'console'])(...exported, { log });

    const said = [...body.matchAll(/console\.log\(.*\); \/\/ (.*)\.\.\./g)].map(([, comment = '']) => comment);
    expect(said).toHaveLength(3);
    expect(printed).toHaveLength(said.length);
    printed.forEach((line, i) => expect(line.startsWith(said[i]!), `${line} is not ${said[i]}`).toBe(true));
  });
});
