import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync } from 'node:fs';
import type { Problem } from '@retempo/activities/ports';
import { createJson } from './jobs/atomic-file.js';
import { makeFolder, processStat } from '@retempo/activities/processes';

/** Free disk space below which nothing useful can be run, in bytes. */
const leastFreeBytes = 64 * 1024 * 1024;
const leastNode = [20, 19] as const;

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A check that throws, and what its failure means for the operator. */
interface Check {
  readonly what: string;
  readonly run: (root: string) => void;
}

const checks: readonly Check[] = [
  {
    what: 'local jobs need Linux with /proc, run the worker there',
    run() {
      if (processStat(process.pid) === null) throw new Error('there is no /proc');
    },
  },
  {
    what: `Node ${leastNode.join('.')} or newer is needed`,
    run() {
      const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
      const isOld = major < leastNode[0] || (major === leastNode[0] && minor < leastNode[1]);
      if (isOld) throw new Error(`this is ${process.versions.node}`);
    },
  },
  {
    what: 'the folder of the site must be writable, on a local file system with hard links',
    run(root) {
      makeFolder(root, 0o700);
      const path = `${root}/.probe-${process.pid}-${randomBytes(6).toString('hex')}`;
      try {
        createJson(path, {});
        if (createJson(path, {})) throw new Error('a file was created twice');
      } finally {
        rmSync(path, { force: true });
      }
    },
  },
  {
    what: 'the disk of the site is nearly full, free some',
    run(root) {
      const { bavail, bsize } = statfsSync(root);
      if (bavail * bsize < leastFreeBytes) throw new Error(`${Math.floor((bavail * bsize) / 1024)} KiB free`);
    },
  },
];

/** Tries what a site of local processes depends on; an empty list means that it can work. Leaves nothing behind. */
export function probeMachine(root: string): readonly Problem[] {
  return checks.flatMap(({ what, run }) => {
    try {
      run(root);
      return [];
    } catch (error) {
      return [{ where: root, message: `${what}: ${reason(error)}` }];
    }
  });
}
