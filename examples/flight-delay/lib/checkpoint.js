// Checkpoints: the weights after the last finished epoch, in one small file that is either the old or the new one.
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

const fileName = 'checkpoint.json';

/**
 * @typedef {object} Checkpoint
 * @property {1} v
 * @property {string} of What is being trained: `trainingDigest`.
 * @property {number} epochs Epochs finished.
 * @property {number} loss Of the last one.
 * @property {number[]} weights
 */

/**
 * Names a training by all that its result depends on. A checkpoint of another training is never continued.
 * @param {import('./table.js').Flights} flights
 * @param {Uint8Array} labels
 * @param {import('./parameters.js').Parameters} parameters
 * @returns {string} SHA-256, hex.
 */
export function trainingDigest(flights, labels, { rate, epochs, smoothing, seed }) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([1, rate, epochs, smoothing, seed, flights.origin, flights.destination]));
  for (const column of [flights.distance, flights.hour, flights.dayOfWeek]) hash.update(new Uint8Array(column.buffer));
  // The labels as learned from: shuffled ones make another training.
  return hash.update(labels).digest('hex');
}

/**
 * Replaces the checkpoint of a folder. On disk before it returns; an interruption leaves the old one.
 * @param {string} folder
 * @param {Checkpoint} checkpoint
 */
export async function saveCheckpoint(folder, checkpoint) {
  await mkdir(folder, { recursive: true });
  const unfinished = join(folder, `.${fileName}.${process.pid}`);
  const file = await open(unfinished, 'w');
  try {
    await file.writeFile(JSON.stringify(checkpoint));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, join(folder, fileName));
}

/**
 * The furthest checkpoint of this training among the folders.
 * @param {readonly string[]} folders
 * @param {string} of
 * @param {(text: string) => void} log Is told of each checkpoint that cannot be used, and why.
 * @returns {Promise<Checkpoint | null>}
 */
export async function findCheckpoint(folders, of, log) {
  /** @type {Checkpoint | null} */
  let furthest = null;
  for (const folder of folders) {
    const found = await readCheckpoint(join(folder, fileName), log);
    if (found !== null && found.of !== of) log(`the checkpoint in ${folder} is of another training: not used`);
    else if (found !== null && found.epochs > (furthest?.epochs ?? 0)) furthest = found;
  }
  return furthest;
}

/**
 * @param {string} path
 * @param {(text: string) => void} log
 * @returns {Promise<Checkpoint | null>}
 */
async function readCheckpoint(path, log) {
  try {
    const found = JSON.parse(await readFile(path, 'utf8'));
    if (found.v === 1 && Number.isInteger(found.epochs) && Array.isArray(found.weights)) return found;
    log(`${path} is not a checkpoint: not used`);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return null;
    log(`${path} cannot be read (${String(error)}): not used`);
  }
  return null;
}
