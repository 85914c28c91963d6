import type { Limits, VersionId } from './contracts/index.js';
import { controlReads } from './proxies.js';

/** The champion of a model as the registry has it, and the record of its anchor. */
export const readChampion = (limits: Limits, model: string, anchor: VersionId | null = null) =>
  controlReads(limits, `champion of ${model}`).getChampion({ model, anchor });
