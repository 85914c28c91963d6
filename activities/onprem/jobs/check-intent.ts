import type { Pool } from '@retempo/activities/ports';
import { PortError } from '@retempo/activities/ports';
import type { JobIntent, JobSpec } from '@retempo/workflows/contracts';
import { isJobKey } from './layout.js';

const refuse = (what: string): never => {
  throw new PortError('InvalidSpec', what);
};

/** Longest time limit of a job, in milliseconds: ten years, so that arithmetic stays exact. */
const maxTimeoutMs = 10 * 366 * 86_400_000;
/** Longest id, step, digest or owner tag, in characters. */
const maxTextLength = 1000;

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? String(value);

const isMap = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isWhole = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && (value as number) >= least;

/** Nothing is fetched for what cannot be the reference of an artifact: no process is started to find that out. */
function checkReference(where: string, value: unknown): void {
  const fits =
    isMap(value) &&
    value['v'] === 1 &&
    typeof value['uri'] === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(String(value['digest'])) &&
    isWhole(value['bytes'], 0);
  if (!fits) refuse(`${where} is not the reference of an artifact (v, uri, digest, bytes): ${shown(value)}`);
}

const capacities = ['onDemand', 'spot', 'reserved', 'flex'] satisfies readonly JobSpec['capacity'][];

/** The intent came over a queue: what the types promise is looked at before it is relied on. */
function checkShape(intent: JobIntent): void {
  const { key, releaseId, step, attempt, specDigest, owner, spec } = intent as {
    readonly [field in keyof JobIntent]: unknown;
  };
  if (typeof key !== 'string' || !isJobKey(key)) refuse(`not a job key (64 hex digits expected): ${shown(key)}`);
  for (const [name, value] of Object.entries({ releaseId, step, specDigest, owner })) {
    if (typeof value !== 'string' || value === '' || value.length > maxTextLength)
      refuse(`${name} must be a text of 1 to ${maxTextLength} characters, not ${shown(value)}`);
  }
  if (!isWhole(attempt, 1)) refuse(`attempt must be a whole number from 1, not ${shown(attempt)}`);
  if (!isMap(spec)) return refuse(`the spec must be an object, not ${shown(spec)}`);
  for (const name of ['program', 'inputs', 'parameters']) {
    if (!isMap(spec[name])) refuse(`spec.${name} must be an object, not ${shown(spec[name])}`);
  }
  if (spec['env'] !== undefined && !isMap(spec['env'])) refuse(`spec.env must be an object, not ${shown(spec['env'])}`);
  for (const name of ['code', 'checkpoint']) if (spec[name] !== undefined) checkReference(`spec.${name}`, spec[name]);
  if (!capacities.some((one) => one === spec['capacity']))
    refuse(`spec.capacity must be one of ${capacities.join(', ')}, not ${shown(spec['capacity'])}`);
}

function checkCommand(intent: JobIntent, site: string): void {
  const { program, replicas, accelerator } = intent.spec;
  if (!('command' in program))
    refuse(`${site} runs commands only; give the job a command instead of an image or a native job`);
  const command: unknown = 'command' in program ? program.command : [];
  if (!Array.isArray(command)) return refuse(`the command must be a list of texts, not ${shown(command)}`);
  if (command.length === 0 || command[0] === '') refuse('the command is empty; name a program');
  const bad = command.findIndex((part) => typeof part !== 'string' || part.includes('\0'));
  if (bad >= 0) refuse(`part ${bad} of the command contains a NUL character or is no text; correct train.run`);
  if (accelerator !== undefined) refuse(`${site} counts no accelerators; name none, and see to it with its pools`);
  if (replicas !== undefined && replicas !== 1)
    refuse(`${site} runs one process per job; replicas must be 1, not ${replicas}`);
}

function checkEnvironment(intent: JobIntent): void {
  for (const [name, value] of Object.entries(intent.spec.env ?? {})) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      refuse(`not a name of an environment variable: ${shown(name)}; use letters, digits and _`);
    if (name.startsWith('RETEMPO_'))
      refuse(`${name}: names that start with RETEMPO_ are set by Retempo; choose another name`);
    if (typeof value !== 'string' || value.includes('\0'))
      refuse(`${name}: the value contains a NUL character or is no text; give it a text`);
  }
}

/** Throws class `InvalidSpec` for an intent that can never run here; returns the pool it goes to (default: the first). */
export function checkIntent(intent: JobIntent, site: string, pools: readonly Pool[]): Pool {
  checkShape(intent);
  checkCommand(intent, site);
  checkEnvironment(intent);
  for (const [name, value] of Object.entries(intent.spec.inputs)) {
    if (!/^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(name))
      refuse(`not a name of an input: ${shown(name)}; use letters, digits, _ and -, a letter first`);
    checkReference(`input ${name}`, value);
  }
  const { timeoutMs } = intent.spec;
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0 || timeoutMs > maxTimeoutMs) {
    refuse(`timeoutMs must be above 0 and at most ten years, not ${timeoutMs}`);
  }
  const pool = intent.pool === undefined ? pools[0] : pools.find(({ name }) => name === intent.pool);
  const known = pools.map(({ name }) => name).join(', ');
  return (
    pool ??
    refuse(
      `${site} has no pool ${shown(intent.pool)}; it has: ${known === '' ? 'none' : known}; correct train.at or add the pool to retempo.yaml`
    )
  );
}
