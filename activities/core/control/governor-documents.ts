import type { ControlActivities, Decision } from '@retempo/workflows/contracts';
import { canonicalJson } from '@retempo/workflows/domain';
import type { Call } from '../ports/index.js';
import type { Registry } from '../registry/index.js';

const snapshotPath = (model: string) => `models/${model}/governor`;
/** One document a month: it never grows beyond what a document may hold. */
const decisionsPath = (model: string, month: string) => `models/${model}/decisions/${month}`;

interface SavedSnapshot {
  readonly v: 1;
  readonly revision: number;
  readonly snapshot: { readonly [key: string]: unknown };
}

interface SavedDecisions {
  readonly v: 1;
  readonly decisions: readonly Decision[];
}

/** The snapshot is read first: what is recorded meanwhile counts as recorded. */
export async function loadGovernor(
  registry: Registry,
  model: string,
  call: Call
): ReturnType<ControlActivities['loadGovernor']> {
  const snapshot = (await registry.readDocument<SavedSnapshot>(snapshotPath(model), call))?.value.snapshot ?? null;
  const decisions = await allDecisions(registry, model, call);
  return { snapshot, recorded: decisions.reduce((highest, { n }) => Math.max(highest, n ?? 0), 0) };
}

/** Those that are not on record yet. A number alone says nothing: two governors may have given it to different decisions. */
function missingFrom(known: readonly Decision[], added: readonly Decision[]): readonly Decision[] {
  const numbers = new Set(added.map(({ n }) => n));
  const recorded = new Set(known.filter(({ n }) => numbers.has(n)).map(canonicalJson));
  return added.filter((decision) => !recorded.has(canonicalJson(decision)));
}

/** Decisions first: a snapshot that counts a decision is never there without it. */
export async function saveGovernor(
  registry: Registry,
  input: Parameters<ControlActivities['saveGovernor']>[0],
  call: Call
): Promise<void> {
  const { model, revision, snapshot, decisions } = input;
  for (const month of new Set(decisions.map(({ at }) => at.slice(0, 7)))) {
    const added = decisions.filter(({ at }) => at.startsWith(month));
    await registry.updateDocument<SavedDecisions>(
      decisionsPath(model, month),
      (document) => {
        const known = document?.decisions ?? [];
        const missing = missingFrom(known, added);
        return missing.length === 0 ? undefined : { v: 1, decisions: [...known, ...missing] };
      },
      call
    );
  }
  await registry.updateDocument<SavedSnapshot>(
    snapshotPath(model),
    (current) => (current !== null && current.revision > revision ? undefined : { v: 1, revision, snapshot }),
    call
  );
}

/** All recorded decisions of a model, oldest first. */
export async function allDecisions(registry: Registry, model: string, call: Call): Promise<readonly Decision[]> {
  const found: Decision[] = [];
  for await (const path of registry.listDocuments(`models/${model}/decisions/`, call)) {
    const document = await registry.readDocument<SavedDecisions>(path, call);
    found.push(...(document?.value.decisions ?? []));
  }
  return found;
}
