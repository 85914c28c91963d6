import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { jobPaths, type SupervisorOrder } from './layout.js';
import { identityOf, type ProcessIdentity } from '@retempo/activities/processes';
import { minimalEnvironment } from './workspace.js';

// Run from source (tests), the supervisor is still the compiled one: Node starts no TypeScript.
const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../dist/jobs/supervisor-main.js' : './supervisor-main.js', import.meta.url)
);

/**
 * Starts a supervisor process for one job and hands it its order: in a session of its own, with a minimal environment,
 * not tied to this process in any way. Starting one too many is harmless: it sees that another is alive and ends.
 * Returns its identity, or null when it has already ended.
 */
export async function startSupervisor(order: SupervisorOrder): Promise<ProcessIdentity | null> {
  const log = openSync(`${jobPaths(order.root, order.key).folder}/supervisor.log`, 'a', 0o600);
  try {
    const child = spawn(process.execPath, ['--max-old-space-size=64', entry], {
      cwd: '/',
      env: minimalEnvironment(process.env),
      detached: true,
      stdio: ['pipe', 'ignore', log],
    });
    const identity = child.pid === undefined ? null : identityOf(child.pid);
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      const { pid, stdin } = child;
      // Not started: `error` comes, and where no file could be opened there is no stdin.
      if (pid === undefined || stdin === null) return;
      // A supervisor that ended before it read everything says why in its log.
      stdin.once('error', () => resolve());
      stdin.end(`${JSON.stringify(order)}\n`, () => resolve());
    });
    child.unref();
    return identity;
  } finally {
    closeSync(log);
  }
}
