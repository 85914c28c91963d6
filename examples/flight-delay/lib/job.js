// The contract between a program and whoever runs it: three environment variables and lines on stdout.
import { readFile } from 'node:fs/promises';

/**
 * @typedef {object} Job
 * @property {Record<string, unknown>} parameters What the model file sets under `parameters`.
 * @property {Record<string, string>} inputs Local folders by name, such as `train`, `evaluate`, `model`.
 * @property {string} output Folder whose content becomes the result.
 * @property {readonly string[]} checkpoints Folders that may hold a checkpoint; the first one is the one to write to and
 *   survives interruption. Empty when nobody keeps checkpoints.
 */

/**
 * Reads the job from `RETEMPO_INPUT`, `RETEMPO_OUTPUT` and `RETEMPO_CHECKPOINT`.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Job>}
 */
export async function readJob(env) {
  const input = needed(env, 'RETEMPO_INPUT', 'the path of a JSON file with parameters and folders');
  const output = needed(env, 'RETEMPO_OUTPUT', 'the folder for results');
  const job = JSON.parse(await readFile(input, 'utf8'));
  if (job.v !== 1) throw new Error(`${input}: expected v 1, got ${JSON.stringify(job.v)}`);
  const checkpoints = [env['RETEMPO_CHECKPOINT'], job.checkpoint].filter((folder) => typeof folder === 'string');
  return {
    parameters: job.parameters ?? {},
    inputs: job.inputs ?? {},
    output,
    checkpoints: checkpoints.filter((folder) => folder !== ''),
  };
}

/**
 * The folder of one input.
 * @param {Job} job
 * @param {string} name
 * @returns {string}
 */
export function inputFolder(job, name) {
  const folder = job.inputs[name];
  if (typeof folder !== 'string') {
    throw new Error(`the job has no input "${name}", only: ${Object.keys(job.inputs).join(', ') || 'none'}`);
  }
  return folder;
}

/**
 * Reports live progress: one line of JSON on stdout.
 * @param {{ progress: number, epoch: number, epochs: number, loss: number }} line `progress` from 0 to 1.
 */
export function report(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/**
 * One line of log on stdout.
 * @param {string} text
 */
export function log(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {string} name
 * @param {string} meaning
 */
function needed(env, name, meaning) {
  const value = env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: expected ${meaning} (see README.md)`);
  return value;
}
