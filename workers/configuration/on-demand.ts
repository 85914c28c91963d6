import type { RetempoConfig } from './config.js';
import type { LoadOptions, Project } from './load-project.js';

// Reading files needs the checking of values and YAML, which cost a process that is given its configuration a tenth of its
// start: they are loaded by the first call.

/** What reads the files. Node remembers a failure: a repaired installation is seen by the next process only. */
async function loadReader(): Promise<typeof import('./load-project.js')> {
  try {
    return await import('./load-project.js');
  } catch (cause) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
    throw new Error(
      'the configuration cannot be read, because a package that is needed for it cannot be loaded: install the packages again ' +
        `with "npm ci", then start this process again (${reason})`,
      { cause }
    );
  }
}

/**
 * Reads `retempo.yaml` of a folder and no model file, so that what runs can be looked at and stopped whatever state the
 * model files are in.
 *
 * Throws `ConfigurationError` with every problem of the file at once.
 */
export async function loadConfig(options: LoadOptions): Promise<RetempoConfig> {
  return (await loadReader()).loadConfig(options);
}

/**
 * Reads `retempo.yaml` and all model files of a folder. Touches nothing but the files it reads.
 *
 * Throws `ConfigurationError` with every problem of every file at once.
 */
export async function loadProject(options: LoadOptions): Promise<Project> {
  return (await loadReader()).loadProject(options);
}
