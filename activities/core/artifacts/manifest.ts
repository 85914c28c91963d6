import type { Json } from '@retempo/workflows/contracts';
import { canonicalJson } from '@retempo/workflows/domain';
import { PortError } from '../ports/index.js';
import { digestBytes, emptyDigest, isDigest } from './digest.js';
import { foldedKey, keyProblem } from './key.js';
import { partCount, partRange } from './part-size.js';

/** Name of the manifest in its artifact; no file of an artifact may have it. */
export const manifestName = 'manifest.json';
/** Most files in one artifact. */
export const maxArtifactFiles = 10_000;
/** Largest manifest that is read, in bytes. */
export const maxManifestBytes = 64 * 1024 * 1024;

/** One file of an artifact. */
export interface ManifestFile {
  /** Relative, `/`-separated; obeys the rules of keys. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** `sha256:` + hex of the whole file, as `sha256sum` gives it. */
  readonly digest: string;
  /** Parts of `partSizeBytes(size)` bytes each, the last one shorter; none for an empty file. */
  readonly parts: readonly { readonly size: number; readonly digest: string }[];
}

/** What an artifact is made of. Its canonical JSON is stored as `manifest.json` and its digest names the artifact. */
export interface Manifest {
  readonly v: 1;
  /** Sorted by path in code unit order, without two paths that some file system takes for the same. */
  readonly files: readonly ManifestFile[];
  /** Whatever the maker wants the digest to cover. */
  readonly metadata?: Json;
}

/** A manifest with the bytes it is stored as. */
export interface SealedManifest {
  readonly manifest: Manifest;
  readonly text: Uint8Array;
  /** `sha256:` + hex of `text`. */
  readonly digest: string;
  /** Sum of the sizes of all files, in bytes. */
  readonly bytes: number;
}

function fileProblem(file: ManifestFile): string | undefined {
  const problem = keyProblem(file.path);
  if (problem !== undefined) return `the path ${JSON.stringify(file.path)} ${problem}`;
  if (foldedKey(file.path) === manifestName) return `the path "${file.path}" is taken by the manifest`;
  if (!Number.isSafeInteger(file.size) || file.size < 0) return `"${file.path}" has no valid size`;
  if (!isDigest(file.digest) || !Array.isArray(file.parts)) return `"${file.path}" has no valid digest`;
  const badPart = file.parts.some((part, index) => {
    const { from, to } = partRange(file.size, index + 1);
    return part.size !== to - from || !isDigest(part.digest);
  });
  if (badPart || file.parts.length !== partCount(file.size)) return `the parts of "${file.path}" do not add up`;
  const single = file.parts.length === 1 ? file.parts[0]?.digest : file.parts.length === 0 ? emptyDigest : file.digest;
  return single === file.digest ? undefined : `the digests of "${file.path}" contradict each other`;
}

/** What is wrong with a manifest, as a sentence without a full stop; undefined when nothing is. */
export function manifestProblem(manifest: Manifest): string | undefined {
  if (manifest.v !== 1) return `the manifest has version ${String(manifest.v)}; this program reads version 1`;
  if (!Array.isArray(manifest.files) || manifest.files.length === 0) return 'the manifest names no files';
  if (manifest.files.length > maxArtifactFiles) {
    return `${manifest.files.length} files are more than the ${maxArtifactFiles} of one artifact; pack them`;
  }
  const seen = new Map<string, string>();
  for (const file of manifest.files) {
    const problem = fileProblem(file);
    if (problem !== undefined) return problem;
    const twin = seen.get(foldedKey(file.path));
    if (twin !== undefined) return `"${twin}" and "${file.path}" are one name where case does not count; rename one`;
    seen.set(foldedKey(file.path), file.path);
  }
  for (const { path } of manifest.files) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const file = seen.get(foldedKey(path.slice(0, end)));
      if (file !== undefined) return `"${file}" is a file and also the folder of "${path}"; rename one`;
    }
  }
  const unsorted = manifest.files.some((file, index) => (manifest.files[index - 1]?.path ?? '') >= file.path);
  return unsorted ? 'the files of the manifest are not in order' : undefined;
}

/** Makes the stored form of a manifest; class `InvalidSpec` when it breaks a rule. Files may come in any order. */
export function sealManifest(files: readonly ManifestFile[], metadata?: Json): SealedManifest {
  const manifest: Manifest = {
    v: 1,
    files: files.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    ...(metadata !== undefined && { metadata }),
  };
  const problem = manifestProblem(manifest);
  if (problem !== undefined)
    throw new PortError('InvalidSpec', `cannot make the artifact: ${problem}; change the files, then seal them again`);
  return sealed(manifest);
}

function sealed(manifest: Manifest): SealedManifest {
  const text = Buffer.from(canonicalJson(manifest));
  const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
  return { manifest, text, digest: digestBytes(text), bytes };
}

/**
 * Reads a stored manifest and believes it only if it has the expected digest, is in canonical form and keeps every rule.
 *
 * @throws PortError class `Integrity`.
 */
export function openManifest(text: Uint8Array, digest: string, where: string): SealedManifest {
  const integrity = (problem: string) =>
    new PortError('Integrity', `${where}: ${problem}; the artifact is not used, restore it or make it again`);
  const actual = digestBytes(text);
  if (actual !== digest) throw integrity(`the manifest has digest ${actual}, expected ${digest}`);
  let manifest: Manifest;
  try {
    manifest = JSON.parse(Buffer.from(text).toString()) as Manifest;
  } catch {
    throw integrity('the manifest is not JSON');
  }
  const problem = manifestProblem(manifest);
  if (problem !== undefined) throw integrity(problem);
  const again = sealed(manifest);
  if (again.digest !== digest) throw integrity('the manifest is not in canonical form');
  return again;
}

/** Folder of an artifact under a prefix: first 32 hex digits of its digest, with a `/` at the end. */
export const artifactFolder = (prefix: string, digest: string): string =>
  `${prefix}/${digest.slice('sha256:'.length, 'sha256:'.length + 32)}/`;
