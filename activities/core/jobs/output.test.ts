import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { checkRequired, filesOf } from './output.js';

const folder = mkdtempSync(`${tmpdir()}/retempo-output-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('output of a program', () => {
  it.each<[string, string, boolean]>([
    ['model.onnx', 'model.onnx', true],
    ['model.onnx', 'modelxonnx', false],
    ['*.onnx', 'a.onnx', true],
    ['*.onnx', 'sub/a.onnx', false],
    ['**/*.onnx', 'a.onnx', true],
    ['**/*.onnx', 'sub/deep/a.onnx', true],
    ['sub/**', 'sub/deep/a.onnx', true],
    ['part-?.csv', 'part-1.csv', true],
    ['part-?.csv', 'part-12.csv', false],
    ['a+(b)[c].txt', 'a+(b)[c].txt', true],
  ])('glob %s and file %s: %s', (glob, file, fits) => {
    if (fits) expect(() => checkRequired([file], [glob])).not.toThrow();
    else expect(() => checkRequired([file], [glob])).toThrow(glob);
  });

  it('nothing at all, and a missing file, are the fault of the program and named', () => {
    expect(() => checkRequired([], [])).toThrow(/wrote nothing/);
    const files = Array.from({ length: 30 }, (_unused, index) => `file-${index}`);
    expect(() => checkRequired(files, ['file-1', 'model.onnx'])).toThrow(
      /did not write model\.onnx .*; it wrote file-0, [^.]*, file-9, \.\.\.$/
    );
    expect(() => checkRequired(['file-1'], ['model.onnx'])).toThrow(/; it wrote file-1$/);
  });

  it('lists plain files and refuses links, special files and too many', async () => {
    mkdirSync(`${folder}/b/c`, { recursive: true });
    writeFileSync(`${folder}/b/c/d`, '');
    writeFileSync(`${folder}/a`, '');
    expect(await filesOf(folder)).toEqual(['a', 'b/c/d']);
    expect(await filesOf(folder, 2)).toHaveLength(2);
    await expect(filesOf(folder, 1)).rejects.toMatchObject({
      class: 'UserCodeFailed',
      message: 'output has more than 1 files; pack them',
    });
    symlinkSync('/etc', `${folder}/b/link`);
    await expect(filesOf(folder)).rejects.toMatchObject({
      class: 'UserCodeFailed',
      message: expect.stringContaining('"b/link" is a symbolic link') as string,
    });
    unlinkSync(`${folder}/b/link`);
    const server = createServer().listen(`${folder}/b/socket`);
    await once(server, 'listening');
    await expect(filesOf(folder)).rejects.toMatchObject({
      class: 'UserCodeFailed',
      message: expect.stringContaining('"b/socket" is not a plain file') as string,
    });
    server.close();
  });
});
