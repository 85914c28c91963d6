export { installationOf, openInstallation } from './open-installation.js';
export type { InstallationActivities, OpenInstallation, OpenInstallationOptions } from './open-installation.js';
export { environmentSecrets, secretVariable } from './secrets.js';
