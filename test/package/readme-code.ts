import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repositoryRoot } from '../support/repository.js';

/** A fenced block of a Markdown file. */
export interface Fence {
  /** First word after the fence, such as `ts`. */
  readonly language: string;
  readonly code: string;
  /** Line of the fence, from 1. */
  readonly line: number;
}

/** All fenced blocks of a Markdown text. */
export function fencesOf(markdown: string): readonly Fence[] {
  const found: Fence[] = [];
  const lines = markdown.split('\n');
  for (let start = 0; start < lines.length; start += 1) {
    const language = /^```(\w*)/.exec(lines[start] ?? '')?.[1];
    if (language === undefined) continue;
    const end = lines.findIndex((line, index) => index > start && line.startsWith('```'));
    if (end < 0) throw new Error(`the block in line ${start + 1} has no end`);
    found.push({ language, code: lines.slice(start + 1, end).join('\n'), line: start + 1 });
    start = end;
  }
  return found;
}

/** What a reader of a README has at hand in a program of their own. */
const surroundings = `
import type * as client from '@temporalio/client';
import type * as worker from '@temporalio/worker';
import type * as url from 'node:url';
declare global {
  const connection: worker.NativeConnection & client.Connection;
  const client: client.Client;
  const Worker: typeof worker.Worker;
  const activities: { greet(name: string): Promise<string> };
  const retempoActivities: object;
  const fileURLToPath: typeof url.fileURLToPath;
  const order: { readonly id: string };
}
`;

/**
 * Compiles blocks of TypeScript as modules of their own, with the repository's settings, and returns what the compiler says
 * (empty when all is well). Names that a reader has at hand, such as `client`, are declared.
 */
export async function compileBlocks(
  blocks: readonly { readonly name: string; readonly code: string }[]
): Promise<string> {
  // Inside the repository, so that the packages are found as a project finds them.
  const parent = fileURLToPath(new URL('.test-output/', repositoryRoot));
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'readme-'));
  try {
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(join(folder, 'surroundings.d.ts'), surroundings);
    for (const { name, code } of blocks) await writeFile(join(folder, `${name}.ts`), `${code}\nexport {};\n`);
    const compilerOptions = { composite: false, declaration: false, sourceMap: false, noEmit: true };
    const config = { extends: '../../tsconfig.base.json', compilerOptions, include: ['*.ts'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const compiler = fileURLToPath(new URL('node_modules/typescript/bin/tsc', repositoryRoot));
    return await new Promise((resolve) => {
      execFile(process.execPath, [compiler, '-p', folder], { maxBuffer: 2 ** 24 }, (_error, stdout, stderr) =>
        resolve((stdout + stderr).trim())
      );
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
