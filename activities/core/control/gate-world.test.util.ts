import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  versionId,
  type ArtifactRef,
  type GateInput,
  type ModelSpec,
  type VersionRecord,
} from '@retempo/workflows/contracts';
import { writeRows } from '../data/support.test.util.js';
import { call, createMonitorWorld, share } from '../monitor/world.test.util.js';
import type { Lineage } from '../registry/index.js';
import { evaluateGate, gateDocument, type GateEvidence } from './gate.js';

export const rows = 1_000;
export const releaseId = 'retempo/m/run/7-0000abcd';
export const labelOf = (n: number) => (share(n) < 0.4 ? 1 : 0);
/** A model that knows a part of what will happen: 0 nothing, 1 nearly all. */
export const predict = (skill: number) => (n: number) => 0.4 * (1 - skill) + (0.02 + 0.96 * labelOf(n)) * skill;

/** What differs from a plain question. */
interface Change {
  readonly spec?: Partial<ModelSpec>;
  readonly policyDigest?: string;
  /** What varies independently; default every row. */
  readonly unitOf?: (n: number) => string;
  /** What happened; default {@link labelOf}. */
  readonly happened?: (n: number) => number;
}

/** A world with everything that a gate asks for: labels, predictions and a registered candidate. */
export function createGateWorld() {
  const world = createMonitorWorld();

  const labels = (unitOf: (n: number) => string, label: (n: number) => number) =>
    world.seal('data/labels', (folder) =>
      writeRows(
        join(folder, 'labels.parquet'),
        { key: 'VARCHAR', time: 'TIMESTAMP', label: 'INTEGER', unit: 'VARCHAR', 'slice:place': 'VARCHAR' },
        Array.from({ length: rows }, (_, n) => ({
          key: `r${n}`,
          time: `2026-01-01 00:${String(Math.floor(n / 60)).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}`,
          label: label(n),
          unit: unitOf(n),
          'slice:place': n % 4 === 0 ? 'ORD' : 'JFK',
        }))
      )
    );

  const predictions = (of: (n: number) => number | string, count = rows): Promise<ArtifactRef> =>
    world.seal('predictions', (folder) => {
      const lines = Array.from({ length: count }, (_, n) => `r${n},${of(n)}`);
      writeFileSync(join(folder, 'predictions.csv'), `id,p\n${lines.join('\n')}\n`);
    });

  async function question(arms: Partial<GateInput['predictions']> = {}, change: Change = {}): Promise<GateInput> {
    const spec = world.spec(change.spec);
    const snapshot = await labels(change.unitOf ?? ((n) => `u${n}`), change.happened ?? labelOf);
    const artifact = await world.seal('versions', (folder) => writeFileSync(join(folder, 'model'), 'the candidate'));
    const version = { model: 'm', version: versionId(7, artifact.digest), artifact, data: { labels: snapshot } };
    await world.registry.register({ ...version, lineage: {} as Lineage }, call());
    return {
      v: 1,
      installation: {} as GateInput['installation'],
      releaseId,
      spec,
      policyDigest: change.policyDigest ?? 'policy-1',
      version: version as VersionRecord,
      predictions: { candidate: await predictions(predict(0.5)), champion: null, anchor: null, ...arms },
      champion: null,
      comparedWith: { champion: null, anchor: null },
      requestedBy: [],
    };
  }

  return {
    ...world,
    predictions,
    question,
    ask: (input: GateInput) => evaluateGate(world, input, call()),
    evidence: async () =>
      (await world.registry.readDocument<GateEvidence>(gateDocument('m', releaseId), call()))!.value,
  };
}

export type GateWorld = ReturnType<typeof createGateWorld>;
