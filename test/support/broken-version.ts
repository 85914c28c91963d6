import { readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { TestInstallation } from './installation.js';

const site = 'onprem.east';

/**
 * Ends the model server of a deployed version and takes its files away, so that it cannot start again before `mend` brings
 * them back. The router lives on.
 */
export async function breakVersion(test: TestInstallation, version: string): Promise<{ mend(): void }> {
  const versions = join(test.project.folder, '.retempo', site, 'serving', 'flight-delay', 'versions');
  const [folder, away] = [join(versions, version), join(versions, `.${version}.away`)];
  renameSync(folder, away);
  const server = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((pid) => commandOf(pid).includes(`--folder=${folder}`));
  if (server === undefined) throw new Error(`no model server of ${version}`);
  process.kill(Number(server), 'SIGKILL');
  const call = { signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 };
  await test.until(
    `${version} does not answer`,
    () => test.site(site).serving!.describe('flight-delay', call),
    (state) => state.versions[version]?.ready !== 1
  );
  return { mend: () => renameSync(away, folder) };
}

/** Stops the router's process without ending it: it holds its port and answers nobody until `wake`. */
export function freezeRouter(test: TestInstallation): { wake(): void } {
  const state = join(test.project.folder, '.retempo', site, 'serving', 'flight-delay');
  const router = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((pid) => commandOf(pid).includes('router-main.js') && commandOf(pid).includes(`--state=${state}`));
  if (router === undefined) throw new Error('no router');
  process.kill(Number(router), 'SIGSTOP');
  return { wake: () => void process.kill(Number(router), 'SIGCONT') };
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
