import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { repositoryRoot } from './repository.js';

// A project made of the flight-delay example, in a folder of its own below the repository, so that its program finds
// the installed packages as any project's does. Everything is short: seconds instead of days.

export interface FlightProject {
  readonly folder: string;
  /** Folder whose Parquet files are the model's source. */
  readonly live: string;
  /** Rewrites the model file with these sections changed. */
  model(change: Sections): Promise<void>;
  remove(): Promise<void>;
}

/** Sections of the model file; given keys replace the project's. */
export type Sections = { readonly [section: string]: { readonly [key: string]: unknown } };

const example = fileURLToPath(new URL('examples/flight-delay/', repositoryRoot));
const outputs = fileURLToPath(new URL('.test-output/', repositoryRoot));

const defaults = {
  data: {
    source: 'live/*.parquet',
    time: 'departedAt',
    key: 'flightId',
    unit: 'departedAt.day',
    label: { column: 'late', arrivesAfter: '7d' },
    features: { include: ['origin', 'destination', 'hour', 'dayOfWeek', 'distance'], important: ['origin', 'hour'] },
    split: { train: '28d', gap: '0d', evaluate: '7d' },
    validate: [{ column: 'distance', type: 'number', min: 0, missingAtMost: '0%' }],
  },
  train: {
    run: 'node train.js',
    at: ['onprem.east/cpu', 'onprem.west/cpu'],
    parameters: { rate: 0.05, epochs: 20 },
    timeout: '5m',
  },
  evaluate: { run: 'node predict.js', predictions: { key: 'flightId', probability: 'p' } },
  gate: {
    metrics: { logLoss: { atMost: 0.65, notWorseBy: 0.005 }, auc: { atLeast: 0.5 } },
    slices: { by: ['origin'], minRows: 200 },
    minRows: 500,
  },
  release: {
    to: 'endpoint:flight-delay',
    steps: [5, 25, 50],
    holdback: '0%',
    bake: '0s',
    guardrails: { errors: { worseThan: '1x', safeBelow: '2x', ignoreBelow: '1%' } },
    lookEvery: '1s',
    stepDeadline: '10m',
    totalDeadline: '30m',
    lease: 'none',
  },
  watch: { every: '7d', compare: ['training'], loss: { metric: 'logLoss', tolerate: 0.02, clip: 4.6 } },
  retrain: { on: { drift: true }, cooldown: '2s', atMost: { runs: 50, per: '30d' } },
} as const;

const configOf = (endpoint: object) => ({
  sites: {
    'onprem.east': { pools: { cpu: { slots: 2 } }, stopGrace: '2s', endpoints: { 'flight-delay': endpoint } },
    'onprem.west': { pools: { cpu: { slots: 2 } }, stopGrace: '2s' },
  },
  endpoints: { 'flight-delay': { site: 'onprem.east' } },
  limits: { heartbeat: '3s', noWorkerAfter: '4s', capacityAfter: '30s', drain: '2s', stickyTimeout: '1s' },
});

/** Makes the project; nothing is started. `endpoint` are the settings of its endpoint. */
export async function createFlightProject(
  name: string,
  sections: Sections = {},
  endpoint: object = {}
): Promise<FlightProject> {
  await mkdir(outputs, { recursive: true });
  const folder = await mkdtemp(join(outputs, `${name}-`));
  for (const part of ['train.js', 'predict.js', 'lib', 'package.json']) {
    await cp(join(example, part), join(folder, part), { recursive: true });
  }
  const live = join(folder, 'live');
  await mkdir(live);
  await mkdir(join(folder, 'models'));
  await writeFile(join(folder, 'retempo.yaml'), stringify(configOf(endpoint)));
  const model = async (change: Sections): Promise<void> => {
    const merged = Object.fromEntries(
      [...new Set([...Object.keys(defaults), ...Object.keys(change)])].map((section) => [
        section,
        { ...(defaults as Sections)[section], ...change[section] },
      ])
    );
    const text = stringify({ model: 'flight-delay', task: 'binary', ...merged });
    await writeFile(join(folder, 'models', 'flight-delay.yaml'), text);
  };
  await model(sections);
  return { folder, live, model, remove: () => rm(folder, { recursive: true, force: true }) };
}
