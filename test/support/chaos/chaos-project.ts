import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { repositoryRoot } from '../repository.js';
import { tinyRows } from '../tiny-project.js';

/** A copy of `model` with its data, for one test file. */
export interface ChaosProject {
  readonly folder: string;
  /** Rewrites the model file; given keys replace those of a section. */
  write(change: { readonly [section: string]: { readonly [key: string]: unknown } }): Promise<void>;
  remove(): Promise<void>;
}

const source = fileURLToPath(new URL('./model/', import.meta.url));
const outputs = fileURLToPath(new URL('.test-output/', repositoryRoot));

/** Weights of the candidate on its way to 100 %. */
export const canarySteps = [10, 50] as const;

const model: { readonly [section: string]: { readonly [key: string]: unknown } } = {
  data: {
    source: 'data/rows.csv',
    time: 'at',
    key: 'id',
    label: 'late',
    split: { train: '14d', gap: '0d', evaluate: '7d' },
  },
  train: { run: 'node train.js', at: ['onprem.local/cpu'], parameters: { seconds: 0 }, timeout: '5m' },
  evaluate: { run: 'node predict.js', predictions: { key: 'id', probability: 'p' }, timeout: '1m' },
  gate: { metrics: { logLoss: { atMost: 0.8, notWorseBy: 0.01 } }, minRows: 50 },
  release: {
    to: 'endpoint:tiny',
    steps: canarySteps,
    holdback: '0%',
    bake: '0s',
    // A few dozen requests without an error are proof enough.
    guardrails: { errors: { worseThan: '1x', safeBelow: '2x', ignoreBelow: '10%' } },
    lookEvery: '1s',
    stepDeadline: '10m',
    totalDeadline: '30m',
    lease: 'none',
  },
  watch: { every: '7d', loss: 'none' },
  retrain: { on: { drift: true }, cooldown: '0s', atMost: { runs: 1000, per: '30d' }, breakerAfter: 1000 },
};

/** Makes the project below the repository, where its programs find their libraries; starts nothing. */
export async function createChaosProject(name: string): Promise<ChaosProject> {
  await mkdir(outputs, { recursive: true });
  const folder = await mkdtemp(join(outputs, `chaos-${name}-`));
  await cp(source, folder, { recursive: true });
  await mkdir(join(folder, 'data'));
  await mkdir(join(folder, 'models'), { recursive: true });
  await writeFile(join(folder, 'data', 'rows.csv'), tinyRows());
  const write: ChaosProject['write'] = async (change) => {
    const sections = Object.fromEntries(
      Object.entries(model).map(([section, keys]) => [section, { ...keys, ...change[section] }])
    );
    await writeFile(join(folder, 'models', 'tiny.yaml'), stringify({ model: 'tiny', ...sections }));
  };
  await write({});
  return { folder, write, remove: () => rm(folder, { recursive: true, force: true }) };
}
