import type { RetempoConfig } from './config.js';
import type { LoadOptions, Project } from './load-project.js';

// Reading files needs the checking of values and YAML, which cost a process that is given its configuration a tenth of its
// start: they are loaded by the first call.

/**
 * Reads `retempo.yaml` of a folder and no model file, so that what runs can be looked at and stopped whatever state the
 * model files are in.
 *
 * Throws `ConfigurationError` with every problem of the file at once.
 */
export async function loadConfig(options: LoadOptions): Promise<RetempoConfig> {
  return (await import('./load-project.js')).loadConfig(options);
}

/**
 * Reads `retempo.yaml` and all model files of a folder. Touches nothing but the files it reads.
 *
 * Throws `ConfigurationError` with every problem of every file at once.
 */
export async function loadProject(options: LoadOptions): Promise<Project> {
  return (await import('./load-project.js')).loadProject(options);
}
