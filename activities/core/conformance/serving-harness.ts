import assert from 'node:assert/strict';
import type { ArtifactRef, EndpointState, ErrorClass, VersionId } from '@retempo/workflows/contracts';
import { isPortError, type Call, type MetricsSource, type ServingBackend } from '../ports/index.js';

/** One endpoint that does not exist yet, on a real backend, and what the suite needs around it. Fresh for every case. */
export interface ServingHarness {
  readonly serving: ServingBackend;
  readonly metrics: MetricsSource;
  readonly endpoint: string;
  /** Artifacts of different bytes that take the same requests and answer them without error. */
  artifact(name: 'champion' | 'candidate'): Promise<ArtifactRef>;
  /** Sends one good request with this id; which version answered, and with what status. */
  infer(id: string): Promise<{ readonly status: number; readonly version: VersionId | null }>;
  /** Sends one request that is wrong by the caller's own fault. */
  inferWrongly(id: string): Promise<{ readonly status: number; readonly version: VersionId | null }>;
  /** From now on the backend does what it is told and its answers are lost, until the returned function is called. */
  loseAnswers?(): Promise<() => Promise<void>>;
  /** Ends what serves the endpoint without warning, as a power cut would. */
  crash?(): Promise<void>;
  /** Ends the server of one version without warning. */
  crashVersion?(version: VersionId): Promise<void>;
  /** Rows of the request log. */
  readLog?(glob: string): Promise<readonly { readonly [column: string]: unknown }[]>;
  close(): Promise<void>;
}

/** One requirement on a serving backend. Run it with any test runner; it throws when the backend does not hold it. */
export interface ServingCase {
  readonly name: string;
  /** Members of the harness without which the case means nothing: skipped, with this as the reason. */
  readonly needs: readonly ('loseAnswers' | 'crash' | 'crashVersion' | 'readLog' | 'lease' | 'epoch')[];
  run(harness: ServingHarness): Promise<void>;
}

/** Why a case cannot run on a harness, or undefined when it can. */
export function missingForCase(servingCase: ServingCase, harness: ServingHarness): string | undefined {
  const { capabilities } = harness.serving;
  const has = { lease: capabilities.lease, epoch: capabilities.fence === 'epoch' };
  const missing = servingCase.needs.filter((need) =>
    need === 'lease' || need === 'epoch' ? !has[need] : harness[need] === undefined
  );
  return missing.length === 0 ? undefined : `the backend has no ${missing.join(', ')}`;
}

const callTimeoutMs = 30_000;
const waitTimeoutMs = 30_000;
/** Pause between two readings of a state that is waited for, in milliseconds. */
export const pollEveryMs = 20;

/** A call with a fresh deadline. */
export const newCall = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + callTimeoutMs });

/** Resolves after so many milliseconds. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });

/** Reads the endpoint until `holds`; throws with the last state when it never does. */
export async function waitForState(
  harness: ServingHarness,
  holds: (state: EndpointState) => boolean
): Promise<EndpointState> {
  const untilMs = Date.now() + waitTimeoutMs;
  for (;;) {
    const state = await harness.serving.describe(harness.endpoint, newCall());
    if (holds(state)) return state;
    assert.ok(Date.now() < untilMs, `the endpoint never got there; last state ${JSON.stringify(state)}`);
    await pause(pollEveryMs);
  }
}

/** Expects a port error of one of these classes. */
export async function expectRefused(promise: Promise<unknown>, ...classes: readonly ErrorClass[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isPortError(error), `expected a PortError, got ${String(error)}`);
    assert.ok(classes.includes(error.class), `expected ${classes.join(' or ')}, got ${error.class}: ${error.message}`);
    assert.ok(error.message.length > 10, 'the message must say what is wrong');
    return true;
  });
}

/** Holds for states in which this version is ready. */
export const isReady = (version: VersionId) => (state: EndpointState) => state.versions[version]?.ready === 1;

/** Weights as read back. */
export const weightsOf = (state: EndpointState): { readonly [version: VersionId]: number } =>
  Object.fromEntries(Object.entries(state.versions).map(([version, { weight }]) => [version, weight]));

/** Deploys a version and waits until it is ready. */
export async function deployReady(
  harness: ServingHarness,
  version: VersionId,
  options: { readonly artifact?: 'champion' | 'candidate'; readonly epoch?: number } = {}
): Promise<EndpointState> {
  const { serving, endpoint } = harness;
  const artifact = await harness.artifact(options.artifact ?? (version === 'v1' ? 'champion' : 'candidate'));
  await serving.deploy({ key: `key-${version}`, endpoint, version, artifact, epoch: options.epoch ?? 1 }, newCall());
  return waitForState(harness, isReady(version));
}

/** Sets traffic from the revision that is current now; returns the new one. */
export async function setTraffic(
  harness: ServingHarness,
  weights: { readonly [version: VersionId]: number },
  options: { readonly epoch?: number; readonly lease?: { readonly seconds: number; readonly fallback: VersionId } } = {}
): Promise<string> {
  const { serving, endpoint } = harness;
  const { revision } = await serving.describe(endpoint, newCall());
  const { lease } = options;
  const input = { endpoint, weights, ifRevision: revision, epoch: options.epoch ?? 1, ...(lease && { lease }) };
  return (await serving.setTraffic(input, newCall())).revision;
}

/** Champion `v1` with all traffic and candidate `v2` at 0, both ready. */
export async function championAndCandidate(harness: ServingHarness): Promise<EndpointState> {
  await deployReady(harness, 'v1');
  await setTraffic(harness, { v1: 100 });
  return deployReady(harness, 'v2');
}
