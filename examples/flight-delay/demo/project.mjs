// The project of the demonstration: the example's own programs and model, with seconds where a business has days, two
// sites where the example has one, and a folder of its own.
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const example = fileURLToPath(new URL('../', import.meta.url));

const config = {
  sites: {
    'onprem.east': { pools: { cpu: { slots: 2 } }, stopGrace: '3s', endpoints: { 'flight-delay': {} } },
    'onprem.west': { pools: { cpu: { slots: 2 } }, stopGrace: '3s' },
  },
  endpoints: { 'flight-delay': { site: 'onprem.east' } },
  // A killed worker costs a heartbeat time-out and a sticky time-out: both short here, by configuration alone.
  limits: { heartbeat: '4s', noWorkerAfter: '5s', capacityAfter: '60s', drain: '3s', stickyTimeout: '2s' },
};

const model = {
  model: 'flight-delay',
  description: 'Will this flight arrive more than 15 minutes late?',
  task: 'binary',
  data: {
    source: 'live/*.parquet',
    time: 'departedAt',
    key: 'flightId',
    unit: 'departedAt.day',
    label: { column: 'late', arrivesAfter: '7d' },
    features: {
      include: ['origin', 'destination', 'hour', 'dayOfWeek', 'distance'],
      important: ['origin', 'destination', 'hour'],
    },
    split: { train: '28d', gap: '0d', evaluate: '7d' },
    validate: [{ column: 'distance', type: 'number', min: 0, missingAtMost: '0%' }],
  },
  train: {
    run: 'node train.js',
    at: ['onprem.east/cpu', 'onprem.west/cpu'],
    // Pacing makes the training long enough to be interrupted; it changes nothing about the result.
    parameters: { rate: 0.05, epochs: 20, secondsPerEpoch: 0.2 },
    timeout: '10m',
  },
  evaluate: { run: 'node predict.js', predictions: { key: 'flightId', probability: 'p' } },
  gate: {
    metrics: { logLoss: { notWorseBy: 0.005 }, auc: { atLeast: 0.55 } },
    minRows: 500,
  },
  release: {
    to: 'endpoint:flight-delay',
    steps: [5, 25, 50],
    holdback: '0%',
    bake: '0s',
    guardrails: {
      errors: { worseThan: '1x', safeBelow: '2x', ignoreBelow: '1%' },
      slow: { over: '400ms', worseThan: '1x', safeBelow: '1.5x', ignoreBelow: '2%' },
    },
    lookEvery: '1s',
    stepDeadline: '5m',
    totalDeadline: '15m',
    lease: '60s',
  },
  watch: { every: '7d', compare: ['training'], loss: { metric: 'logLoss', tolerate: 0.02, clip: 4.6 } },
  retrain: { on: { drift: true }, cooldown: '30s', atMost: { runs: 20, per: '30d' } },
};

/**
 * @typedef {object} DemoProject
 * @property {string} folder
 * @property {string} live Folder that the data source reads.
 * @property {(change: { parameters?: Record<string, unknown>, gate?: Record<string, unknown>, release?: Record<string, unknown> }) => void} edit
 *   Writes the model file anew with these keys changed from the plain one.
 */

/** @param {string} folder @returns {DemoProject} */
export function createProject(folder) {
  if (existsSync(folder)) rmSync(folder, { recursive: true });
  mkdirSync(join(folder, 'models'), { recursive: true });
  mkdirSync(join(folder, 'live'));
  for (const part of ['train.js', 'predict.js', 'lib', 'package.json']) {
    cpSync(join(example, part), join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, 'retempo.yaml'), stringify(config));
  /** @type {DemoProject['edit']} */
  const edit = ({ parameters = {}, gate = {}, release = {} }) => {
    const changed = {
      ...model,
      train: { ...model.train, parameters: { ...model.train.parameters, ...parameters } },
      gate: { ...model.gate, ...gate },
      release: { ...model.release, ...release },
    };
    writeFileSync(join(folder, 'models', 'flight-delay.yaml'), stringify(changed));
  };
  edit({});
  return { folder, live: join(folder, 'live'), edit };
}
