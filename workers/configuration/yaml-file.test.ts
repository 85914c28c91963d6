import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from './problems.js';
import { parseYamlText, readYamlFile } from './yaml-file.js';

const told = (text: string): readonly string[] => parseYamlText(text, 'f.yaml').problems.map(formatProblem);

describe('parts of YAML that mean something else than what one reads', () => {
  it.each([
    ['a key that is there twice', 'a: 1\na: 2\n', 'f.yaml:2:1  this key is there twice'],
    ['an anchor', 'a: &x 1\n', 'f.yaml:1:7  anchors (&name) are not supported; write the value out where it is used'],
    ['a merge key', 'a:\n  <<: { b: 1 }\n', 'f.yaml:2:3  merge keys (<<) are not supported; write the keys out'],
    ['a tag', 'a: !!binary aGk=\n', 'f.yaml:1:13  tags (tag:yaml.org,2002:binary) are not supported; remove the tag'],
    ['a local tag', 'a: !env HOME\n', 'tags (!env) are not supported'],
    ['an anchor of a list', 'a: &x [1]\n', 'anchors (&name) are not supported'],
    ['an anchor of a mapping', 'a: &x { b: 1 }\n', 'anchors (&name) are not supported'],
    ['a tag of a list', 'a: !!omap [b: 1]\n', 'tags (tag:yaml.org,2002:omap) are not supported'],
    ['a tag of a mapping', 'a: !!set { b }\n', 'tags (tag:yaml.org,2002:set) are not supported'],
    ['a constructor', 'a:\n  constructor: 1\n', 'f.yaml:2:3  "constructor" cannot be a key'],
    ['a prototype of functions', 'prototype: 1\n', 'f.yaml:1:1  "prototype" cannot be a key'],
    ['lists within 20 columns that are deeper', '- '.repeat(25), 'expected at most 20 levels of nesting'],
    ['several documents', 'a: 1\n---\nb: 2\n', 'expected one document, found several; keep one file per model'],
    ['a prototype', '__proto__: { polluted: true }\n', '"__proto__" cannot be a key'],
    ['a key that is a list', '[a, b]: 1\n', 'expected a plain text as key'],
    ['a tab as indentation', 'a:\n\tb: 1\n', 'this is not valid YAML'],
    ['an open bracket', 'a: [1, 2\n', 'this is not valid YAML'],
    ['a control character', 'a: "x\u0007"\n', 'f.yaml:1:6  expected text, found a control character'],
    ['20 levels and more', `a: ${'['.repeat(30)}${']'.repeat(30)}\n`, 'expected at most 20 levels of nesting'],
    ['100 000 levels', `a: ${'['.repeat(100_000)}`, 'f.yaml:1:24  expected at most 20 levels of nesting'],
    ['100 000 lists in lists', '- '.repeat(100_000), 'f.yaml:1:203  expected at most 20 levels of nesting'],
    ['100 000 keys in keys', '? '.repeat(100_000), 'expected at most 20 levels of nesting'],
    ['100 000 mappings in mappings', '{a: '.repeat(100_000), 'expected at most 20 levels of nesting'],
    [
      'a staircase',
      Array.from({ length: 1_000 }, (_, at) => `${' '.repeat(at)}a:`).join('\n'),
      'f.yaml:202:202  expected at',
    ],
  ])('refuses %s', (_title, text, expected) => {
    const problems = told(text);
    expect(problems.join('\n')).toContain(expected);
    expect(parseYamlText(text, 'f.yaml').value).toBeUndefined();
  });

  it('does not expand an alias bomb', () => {
    const bomb = [
      'a: &a [x, x, x, x]',
      ...'bcdefgh'.split('').map((c, i) => `${c}: &${c} [${`*${'abcdefg'[i]}, `.repeat(9)}]`),
    ];
    expect(told(bomb.join('\n')).join('\n')).toContain('aliases (*name) are not supported');
  });

  it('takes long lines and wide texts for what they are', () => {
    const long = `a: { ${Array.from({ length: 60 }, (_, at) => `key${at}: ${at}`).join(', ')} }`;
    const wide = `b: |\n  x\n${' '.repeat(300)}y\nc: "${'z '.repeat(300)}" # ${'w '.repeat(300)}\n${' '.repeat(300)}# d\n`;
    expect(told(`${long}\n${wide}`)).toEqual([]);
  });

  it('takes any number of lists and mappings that are not in each other', () => {
    const many = Array.from({ length: 300 }, (_, at) => `a${at}: [{ b: [1] }, [], {}]`).join('\n');
    expect(told(many)).toEqual([]);
  });

  it('reads words and numbers as YAML 1.2 does', () => {
    expect(parseYamlText('a: no\nb: 010\nc: on\n1: x\nd: 1e30\ne: "🛫 Größe"\n', 'f').value).toEqual({
      a: 'no',
      b: 10,
      c: 'on',
      1: 'x',
      d: 1e30,
      e: '🛫 Größe',
    });
    expect(parseYamlText('', 'f').value).toEqual({});
    expect(parseYamlText('# only a comment\n', 'f').value).toEqual({});
  });
});

describe('files', () => {
  it('refuses what is no readable text', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'retempo-yaml-'));
    const read = async (content: string | Uint8Array): Promise<string> => {
      await writeFile(join(folder, 'f.yaml'), content);
      const { problems } = await readYamlFile({ path: join(folder, 'f.yaml'), file: 'f.yaml' });
      return problems.map(formatProblem).join('\n');
    };
    try {
      expect(await read(new Uint8Array([0x61, 0x3a, 0x20, 0xff]))).toBe(
        'f.yaml:1:1  expected UTF-8 text; save the file as UTF-8'
      );
      expect(await read(Buffer.from('a: 1\n', 'utf16le'))).not.toBe('');
      expect(await read('\ufeffa: 1\n')).toBe('');
      expect(await read(`a: ${'x'.repeat(1_048_576)}`)).toBe(
        'f.yaml:1:1  expected at most 1 MiB, the file has 1048579 bytes'
      );
      const of = async (path: string): Promise<string> =>
        (await readYamlFile({ path, file: 'f.yaml' })).problems.map(formatProblem).join('\n');
      expect(await of(folder)).toBe('f.yaml:1:1  expected a file, this is a folder');
      expect(await of(join(folder, 'none'))).toContain('there is no such file');
      execFileSync('sh', ['-c', 'mkfifo "$0"', join(folder, 'pipe')]);
      expect(await of(join(folder, 'pipe'))).toBe('f.yaml:1:1  expected a file');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
