// Trains the model on the flights of the input `train` and writes model.onnx (for serving) and model.json (for predict.js).
// Saves a checkpoint after every epoch; started again with the same checkpoint folder, it goes on from there and ends with
// the same bytes. SIGTERM: stops after the epoch at hand, with exit code 143.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { findCheckpoint, saveCheckpoint, trainingDigest } from './lib/checkpoint.js';
import { createTraining } from './lib/fit.js';
import { inputFolder, log, readJob, report } from './lib/job.js';
import { busiestAirports, encodeOnnx } from './lib/onnx.js';
import { parseParameters } from './lib/parameters.js';
import { seededRandom, shuffle } from './lib/random.js';
import { labelled, readRows, toFlights } from './lib/table.js';

/** Share of the training flights that the closed vocabulary of `strictAirports` leaves out. */
const strangers = 0.05;

const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
log(`training process ${process.pid} started`);

const job = await readJob(process.env);
const parameters = parseParameters(job.parameters);
const all = await readRows(inputFolder(job, 'train'), ['late']);
const { rows, labels } = labelled(all, 'late');
if (rows.length < all.length) log(`${all.length - rows.length} rows have no label yet and are left out`);
const flights = toFlights(rows);
if (parameters.shuffleLabels) {
  log('drill: labels are shuffled, the result is a bad model');
  shuffle(labels, seededRandom(parameters.seed));
}

const of = trainingDigest(flights, labels, parameters);
const resumed = await findCheckpoint(job.checkpoints, of, log);
const training = createTraining(flights, labels, parameters, resumed?.weights);
log(`${labels.length} rows, ${parameters.epochs} epochs`);
if (resumed !== null) log(`resumed after epoch ${resumed.epochs} of ${parameters.epochs}`);

for (let epoch = resumed?.epochs ?? 0; epoch < parameters.epochs; epoch += 1) {
  // Lets a SIGTERM in: signals are handled between turns of the event loop.
  await nextTurn();
  if (stop.signal.aborted) {
    log(`stopped after epoch ${epoch} of ${parameters.epochs}`);
    process.exit(143);
  }
  const startedMs = Date.now();
  const loss = training.runEpoch(epoch);
  const [folder] = job.checkpoints;
  if (folder !== undefined) {
    await saveCheckpoint(folder, { v: 1, of, epochs: epoch + 1, loss, weights: [...training.weights] });
  }
  const { epochs } = parameters;
  report({ progress: (epoch + 1) / epochs, epoch: epoch + 1, epochs, loss: Number(loss.toFixed(6)) });
  await pace(startedMs + parameters.secondsPerEpoch * 1_000 - Date.now());
}

const model = training.model();
const airports = parameters.strictAirports ? busiestAirports(flights, strangers) : undefined;
if (airports !== undefined) log(`drill: the exported graph knows ${airports.size} airports and fails for any other`);
await writeFile(join(job.output, 'model.onnx'), encodeOnnx(model, airports === undefined ? {} : { airports }));
await writeFile(join(job.output, 'model.json'), `${JSON.stringify(model, null, 1)}\n`);
log('done');

/**
 * Waits, unless asked to stop.
 * @param {number} waitMs
 */
async function pace(waitMs) {
  if (waitMs <= 0) return;
  try {
    await sleep(waitMs, undefined, { signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}
