export { OrchestratorPlugin, retempoWorkflowsPath } from './orchestrator-plugin.js';
export type { OrchestratorPluginOptions } from './orchestrator-plugin.js';
export { ProviderPlugin } from './provider-plugin.js';
export type { ProviderPluginOptions } from './provider-plugin.js';
