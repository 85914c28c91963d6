import { execFile } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { defaults } from './lib/parameters.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const byHand = join(here, '.retempo', 'by-hand');

describe('README.md', () => {
  it('shows commands that work', async () => {
    await rm(byHand, { recursive: true, force: true });
    const [, commands] = /```sh\n([\s\S]*?)```/.exec(await readFile(join(here, 'README.md'), 'utf8')) ?? [];
    const { stdout } = await promisify(execFile)('bash', ['-euc', commands ?? 'false'], { cwd: here });
    expect(stdout).toContain('predicted 200000 flights');
    expect((await readdir(join(byHand, 'model'))).sort()).toEqual(['model.json', 'model.onnx']);
    await rm(byHand, { recursive: true });
  });

  it('lists every parameter with its default', async () => {
    const text = await readFile(join(here, 'README.md'), 'utf8');
    for (const [name, value] of Object.entries(defaults)) {
      expect(text).toMatch(
        typeof value === 'boolean' ? `\`${name}: true\`` : new RegExp(`\\| \`${name}\` +\\| ${value} `)
      );
    }
  });
});
