import type { Registry } from '@retempo/activities';
import { isPortError, type Call } from '@retempo/activities/ports';
import type { ModelSpec } from '@retempo/workflows/contracts';

const specPath = (model: string, digest: string): string =>
  `models/${model}/specs/${digest.replace(/^sha256:/, '').slice(0, 32)}`;

interface SpecDocument {
  readonly v: 1;
  readonly specDigest: string;
  readonly spec: ModelSpec;
  /** Who applied it first, and when (ISO 8601). */
  readonly actor: string;
  readonly at: string;
}

/** Keeps a spec under its digest, for lineage and for later comparisons; a spec that is there stays as it is. */
export async function keepSpec(
  registry: Registry,
  input: { readonly spec: ModelSpec; readonly specDigest: string; readonly actor: string },
  call: Call
): Promise<void> {
  const { spec, specDigest, actor } = input;
  const document: SpecDocument = { v: 1, specDigest, spec, actor, at: new Date().toISOString() };
  try {
    await registry.writeDocument(specPath(spec.model, specDigest), document, { ifAbsent: true }, call);
  } catch (error) {
    if (!isPortError(error) || error.class !== 'Conflict') throw error;
  }
}

/** The spec of a digest, or null when it was never kept here. */
export async function readSpec(
  registry: Registry,
  model: string,
  digest: string,
  call: Call
): Promise<ModelSpec | null> {
  return (await registry.readDocument<SpecDocument>(specPath(model, digest), call))?.value.spec ?? null;
}

/** Every spec of a model that is kept. */
export async function keptSpecs(registry: Registry, model: string, call: Call): Promise<readonly ModelSpec[]> {
  const specs: ModelSpec[] = [];
  for await (const path of registry.listDocuments(`models/${model}/specs/`, call)) {
    const document = await registry.readDocument<SpecDocument>(path, call);
    if (document !== null) specs.push(document.value.spec);
  }
  return specs;
}
