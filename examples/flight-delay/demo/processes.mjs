// Real processes: the command of this repository, started as a user would, and killed as fate would.
import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const bin = fileURLToPath(new URL('../../../cli/dist/bin.js', import.meta.url));

/**
 * Runs `retempo ...` to its end.
 * @param {string[]} args
 * @param {{ folder: string, address: string }} where
 * @returns {Promise<{ code: number | null, stdout: string, stderr: string }>}
 */
export function retempo(args, { folder, address }) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args, '--project', folder, '--address', address], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/**
 * A `retempo worker` process that serves what it is told to.
 * @param {string} name For the log file.
 * @param {string[]} args
 * @param {{ folder: string, address: string }} where
 */
export function startWorker(name, args, { folder, address }) {
  const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
  const child = spawn(process.execPath, [bin, 'worker', ...args, '--project', folder, '--address', address], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  /** @type {Promise<void>} */
  const ended = new Promise((resolve) => child.once('close', () => resolve()));
  return {
    name,
    pid: child.pid,
    /** Resolves when it serves its queues. */
    ready: new Promise((resolve, reject) => {
      child.stdout.on('data', (chunk) => String(chunk).includes('serves') && resolve(undefined));
      child.once('close', (code) => reject(new Error(`worker ${name} ended with ${code}; see ${name}.log`)));
    }),
    /** @param {NodeJS.Signals} signal */
    async kill(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

/** @typedef {ReturnType<typeof startWorker>} WorkerProcess */

/**
 * What the sites' own journals say about program processes, with the step each belonged to.
 * @param {string} folder State folder of the project.
 * @returns {{ site: string, step: string, attempt: number, releaseId: string, key: string, pid: number }[]}
 */
export function startedPrograms(folder) {
  return ['onprem.east', 'onprem.west'].flatMap((site) => {
    const root = join(folder, site);
    let journal = '';
    try {
      journal = readFileSync(join(root, 'journal.ndjson'), 'utf8');
    } catch {
      return [];
    }
    return journal
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'started')
      .map(({ key, program }) => {
        const { intent } = JSON.parse(readFileSync(join(root, 'jobs', key, 'job.json'), 'utf8'));
        const { step, attempt, releaseId } = intent;
        return { site, step, attempt, releaseId, key, pid: program.pid };
      });
  });
}

/** The trainers' own word: one line of log for every process that has begun to train. @param {string} folder */
export function trainingProcesses(folder) {
  return ['onprem.east', 'onprem.west'].flatMap((site) => {
    const jobs = join(folder, site, 'jobs');
    /** @type {string[]} */
    let keys = [];
    try {
      keys = readdirSync(jobs);
    } catch {
      return [];
    }
    return keys.flatMap((key) => {
      try {
        const log = readFileSync(join(jobs, key, 'stdout.log'), 'utf8');
        return [...log.matchAll(/training process (\d+) started/g)].map(([, pid]) => ({ site, key, pid: Number(pid) }));
      } catch {
        return [];
      }
    });
  });
}

/** @param {number} pid */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
