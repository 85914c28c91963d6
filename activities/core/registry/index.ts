export { createDocuments, maxDocumentBytes } from './documents.js';
export type { DocumentCondition, Documents, StoredDocument } from './documents.js';
export { createRegistry } from './registry.js';
export type { Registry, RegistryOptions, SetAliasInput } from './registry.js';
export type * from './types.js';
