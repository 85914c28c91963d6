import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { readConfig, type ConfigProblem, type OnpremConfig } from './config.js';

interface Opened {
  readonly id: string;
  readonly config: OnpremConfig;
  /** Where the site's folder really is. */
  readonly folder: string;
}

/**
 * Everything that is wrong between the local sites of one configuration, each of which is right by itself: two sites that
 * share a folder would take each other's jobs and endpoints for their own, and a port that is given twice is open once.
 * Paths begin with the site's id. Entries with problems of their own are left out.
 */
export function checkSites(
  sites: { readonly [id: string]: unknown },
  context: { readonly stateFolder: string; readonly ports: { readonly [key: string]: number } }
): readonly ConfigProblem[] {
  const opened = Object.entries(sites).flatMap(([id, entry]): readonly Opened[] => {
    const { config, problems } = readConfig(entry);
    return problems.length > 0 ? [] : [{ id, config, folder: real(resolve(context.stateFolder, config.root ?? id)) }];
  });
  return [...sharedFolders(opened), ...sharedPorts(opened, context.ports)];
}

function sharedFolders(opened: readonly Opened[]): readonly ConfigProblem[] {
  return opened.flatMap(({ id, config, folder }, index) => {
    const other = opened.slice(0, index).find((one) => contains(one.folder, folder) || contains(folder, one.folder));
    if (other === undefined) return [];
    const how =
      other.folder === folder
        ? `is the folder of ${other.id} too`
        : contains(other.folder, folder)
          ? `lies in the folder of ${other.id}, ${other.folder}`
          : `holds the folder of ${other.id}, ${other.folder}`;
    // A site without a root may be the one that the other has taken the folder of.
    const path = config.root === null ? [id] : [id, 'root'];
    return [{ path, message: `expected a folder of its own for ${id}, but ${folder} ${how}` }];
  });
}

const contains = (outer: string, inner: string): boolean =>
  inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : `${outer}${sep}`);

/** The path with its symbolic links resolved, as far as it exists: the root of the file system always does. */
function real(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const above = dirname(path);
  return join(real(above), path.slice(above.length));
}

function sharedPorts(opened: readonly Opened[], others: { readonly [key: string]: number }): readonly ConfigProblem[] {
  const taken = new Map(Object.entries(others).map(([key, port]) => [port, key]));
  const found: ConfigProblem[] = [];
  for (const { id, config } of opened) {
    for (const [endpoint, options] of Object.entries(config.endpoints)) {
      for (const key of ['dataPort', 'adminPort'] as const) {
        const port = options[key];
        if (port === undefined || port === 0) continue;
        const where = `sites.${id}.endpoints.${endpoint}.${key}`;
        const by = taken.get(port);
        if (by === undefined) taken.set(port, where);
        else {
          const message = `expected a port of its own, got ${port}, which ${by} has; 0 takes any free one`;
          found.push({ path: [id, 'endpoints', endpoint, key], message });
        }
      }
    }
  }
  return found;
}
