import type { Provider } from '@retempo/activities/ports';
import { configFile, modelFile } from './json-schema-data.js';

/** JSON Schema (draft 2020-12) of a model file, for editors. Coarser than the check itself. */
export const modelJsonSchema = (): object => structuredClone(modelFile);

/**
 * JSON Schema (draft 2020-12) of `retempo.yaml`, for editors. Coarser than the check itself. What stands in a site's entry
 * is described by its provider, so sites of providers that are not given may hold anything.
 */
export function configJsonSchema(providers: readonly Pick<Provider, 'name' | 'configJsonSchema'>[] = []): object {
  const schema = structuredClone(configFile) as { readonly properties: { readonly sites: object } };
  const entries = providers.flatMap(({ name, configJsonSchema: describe }) =>
    // An entry without a value takes every default.
    describe === undefined ? [] : [[`^${name}\\.`, { anyOf: [describe(), { type: 'null' }] }]]
  );
  const sites = { ...schema.properties.sites, patternProperties: Object.fromEntries(entries) as object };
  return { ...schema, properties: { ...schema.properties, sites } };
}
