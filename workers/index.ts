export { environmentSecrets, installationOf, openInstallation, secretVariable } from './assembly/index.js';
export type { InstallationActivities, OpenInstallation, OpenInstallationOptions } from './assembly/index.js';
export {
  ConfigurationError,
  configJsonSchema,
  limitDefaults,
  findCodeFiles,
  formatProblem,
  loadConfig,
  loadProject,
  modelDefaults,
  modelJsonSchema,
  taskMetrics,
} from './configuration/index.js';
export type {
  ConfigurationChecker,
  ConfigurationProblem,
  ConfiguredLimits,
  LoadedModel,
  MetricKind,
  ModelDraft,
  Project,
  ProjectFile,
  RetempoConfig,
} from './configuration/index.js';
export {
  cacheFolder,
  DevServerError,
  ensureSearchAttributes,
  findDevServer,
  findServerBinary,
  pinnedServerVersion,
  startDevServer,
} from './dev-server/index.js';
export type {
  DevServer,
  DevServerOptions,
  DevServerProblem,
  FindServerBinaryOptions,
  RunningDevServer,
  ServerBinary,
} from './dev-server/index.js';
export { OrchestratorPlugin, ProviderPlugin, retempoWorkflowsPath } from './plugins/index.js';
export type { OrchestratorPluginOptions, ProviderPluginOptions } from './plugins/index.js';
export { connectWorkers, createWorkers, heartbeatThrottleMs, installRuntime } from './worker-creation/index.js';
export type { CreateWorkersOptions, HostOptions, RetempoWorkers } from './worker-creation/index.js';
