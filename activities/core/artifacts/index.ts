export { copyArtifact, type CopyInput } from './copy.js';
export { createFileStore } from './file-store.js';
export { assertKey, assertPrefix, keyProblem, maxKeyBytes } from './key.js';
export { deleteArtifact } from './delete.js';
export { digestBytes, isDigest } from './digest.js';
export {
  artifactFolder,
  manifestName,
  maxArtifactFiles,
  openManifest,
  sealManifest,
  type Manifest,
  type ManifestFile,
  type SealedManifest,
} from './manifest.js';
export { removeLeftovers } from './leftovers.js';
export { materialize, verifyFolder } from './materialize.js';
export { partCount, partRange, partSizeBytes } from './part-size.js';
export { readManifest, verifyArtifact, type ArtifactInput } from './read.js';
export { sealFolder, type SealInput } from './seal.js';
export { createStores, uriOf, type Located, type Stores } from './stores.js';
