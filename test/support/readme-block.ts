import { readFile } from 'node:fs/promises';
import { repositoryRoot } from './repository.js';

/** The fenced block of README.md after `<!-- marker -->`. */
export async function readmeBlock(marker: string): Promise<string> {
  const text = await readFile(new URL('README.md', repositoryRoot), 'utf8');
  const found = text.split(`<!-- ${marker} -->`)[1]?.match(/```\w+\n([\s\S]*?)```/)?.[1];
  if (found === undefined) throw new Error(`README.md has no block <!-- ${marker} -->`);
  return found;
}
