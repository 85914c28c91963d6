import { chmodSync, constants, copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import type { Json } from '@retempo/workflows/contracts';
import { replaceJson } from './atomic-file.js';
import { jobMarker, type JobPaths, type SupervisorOrder } from './layout.js';

/** Copies a tree of plain files; the copies are writable. Shares blocks where the file system can. */
function copyTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = `${from}/${entry.name}`;
    const target = `${to}/${entry.name}`;
    if (entry.isDirectory()) copyTree(source, target);
    else if (entry.isFile()) {
      copyFileSync(source, target, constants.COPYFILE_FICLONE);
      chmodSync(target, statSync(source).mode | 0o600);
    }
  }
}

/**
 * Makes everything that the program finds: working folder with the code, empty output, checkpoint folder (filled when it
 * resumes), temporary folder, `input.json`. May be repeated as long as the program was not started.
 */
export function prepareWorkspace(
  paths: JobPaths,
  order: SupervisorOrder,
  parameters: { readonly [name: string]: Json }
): void {
  for (const folder of [paths.work, paths.temporary, paths.output, paths.checkpoint]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }
  if (order.folders.code !== null) copyTree(order.folders.code, paths.work);
  if (order.folders.checkpoint !== null) copyTree(order.folders.checkpoint, paths.checkpoint);
  replaceJson(paths.input, {
    v: 1,
    parameters,
    inputs: order.folders.inputs,
    checkpoint: order.folders.checkpoint === null ? null : paths.checkpoint,
  });
}

/** Removes what nobody needs after the end; output, checkpoint and logs stay. */
export function clearWorkspace(paths: JobPaths): void {
  for (const folder of [paths.work, paths.temporary]) rmSync(folder, { recursive: true, force: true });
}

const fallbackPath = '/usr/local/bin:/usr/bin:/bin';

/**
 * What a supervisor and its program get of the worker's environment: where programs are, the home folder, the language.
 * Nothing else, so that no credential of the worker reaches a training program.
 */
export function minimalEnvironment(env: NodeJS.ProcessEnv): { readonly [name: string]: string } {
  const folders = [env['PATH'] ?? fallbackPath, dirname(process.execPath)];
  return { PATH: folders.join(delimiter), HOME: env['HOME'] ?? '/', LANG: env['LANG'] ?? 'C.UTF-8' };
}

/** Complete environment of the program. Entries of the intent win over the minimum, never over the contract. */
export function programEnvironment(
  paths: JobPaths,
  order: SupervisorOrder,
  base: { readonly [name: string]: string }
): { readonly [name: string]: string } {
  const marker = jobMarker(order.root, order.key);
  const nameEnd = marker.indexOf('=');
  return {
    ...base,
    TMPDIR: paths.temporary,
    ...order.env,
    [marker.slice(0, nameEnd)]: marker.slice(nameEnd + 1),
    RETEMPO_JOB: order.key,
    RETEMPO_INPUT: paths.input,
    RETEMPO_OUTPUT: paths.output,
    RETEMPO_CHECKPOINT: paths.checkpoint,
  };
}
