import { ApplicationFailure } from '@temporalio/activity';
import {
  failureType,
  versionId,
  type ControlActivities,
  type VersionId,
  type VersionRecord,
} from '@retempo/workflows/contracts';
import { isPortError, type Call } from '../ports/index.js';
import type { Registry } from '../registry/index.js';

/** Name of the alias that production serves, and of the pin that anchors the slow ratchet. */
export const championAlias = 'champion';
export const anchorPin = 'anchor';

const recordPath = (model: string, version: VersionId) => `models/${model}/records/${version}`;

export async function readVersion(
  registry: Registry,
  model: string,
  version: VersionId,
  call: Call
): Promise<VersionRecord | null> {
  return (await registry.readDocument<VersionRecord>(recordPath(model, version), call))?.value ?? null;
}

type Registered = Parameters<ControlActivities['registerVersion']>[0];

/** Registers the version of one release; the same release and bytes give the same version again. */
export async function registerVersion(registry: Registry, input: Registered, call: Call): Promise<VersionRecord> {
  const { record, seq } = input;
  const version = versionId(seq, record.artifact.digest);
  const full: VersionRecord = { v: 1, version, ...record };
  const { data, evaluator } = record;
  await registry.register(
    {
      model: record.model,
      version,
      artifact: record.artifact,
      lineage: {
        data: {
          digest: data.train.digest,
          window: { from: data.trainWindow.from, to: data.trainWindow.to },
          rows: data.trainWindow.rows,
          artifact: data.train,
        },
        code: record.code.digest,
        spec: record.specDigest,
        run: record.releaseId,
        site: record.site,
        jobKey: record.jobKey,
        evaluator: {
          run: evaluator.run,
          code: record.code,
          predictions: evaluator.predictions,
          timeoutMs: evaluator.timeoutMs,
        },
        parents: record.parent === null ? [] : [record.parent],
      },
    },
    call
  );
  await registry.updateDocument<VersionRecord>(
    recordPath(record.model, version),
    (known) => (known === null ? full : undefined),
    call
  );
  return full;
}

export async function getChampion(
  registry: Registry,
  { model, anchor }: Parameters<ControlActivities['getChampion']>[0],
  call: Call
): ReturnType<ControlActivities['getChampion']> {
  const alias = await registry.getAlias({ model, alias: championAlias }, call);
  const champion = alias === null ? null : await readVersion(registry, model, alias.version, call);
  const anchored = anchor === 'pinned' ? await pinned(registry, model, call) : anchor;
  return { champion, anchor: anchored === null ? null : await readVersion(registry, model, anchored, call) };
}

async function pinned(registry: Registry, model: string, call: Call): Promise<VersionId | null> {
  return (await registry.pinsOf(model, call)).find(({ name }) => name === anchorPin)?.version ?? null;
}

/** The version that was champion before the present one; null when there was none. */
export async function getPreviousChampion(
  registry: Registry,
  model: string,
  call: Call
): Promise<VersionRecord | null> {
  const history = await registry.aliasHistory({ model, alias: championAlias }, call);
  const current = history.at(-1)?.version;
  // Before it was champion for the first time: going back twice never goes forward to what was rolled back.
  const first = history.findIndex(({ version }) => version === current);
  const previous = history[first - 1];
  return previous === undefined ? null : readVersion(registry, model, previous.version, call);
}

/** Compare-and-set; repeating it changes nothing. The first champion becomes the anchor. */
export async function setChampion(
  registry: Registry,
  input: Parameters<ControlActivities['setChampion']>[0],
  call: Call
): Promise<void> {
  const { model, version, expected, releaseId, reason } = input;
  const current = await registry.getAlias({ model, alias: championAlias }, call);
  if (current?.version !== version) {
    if ((current?.version ?? null) !== expected) throw mismatch(model, expected, current?.version);
    try {
      await registry.setAlias(
        { model, alias: championAlias, version, ifVersion: current?.generation ?? null, actor: releaseId, reason },
        call
      );
    } catch (error) {
      if (isPortError(error) && error.class === 'Conflict') throw mismatch(model, expected, undefined);
      throw error;
    }
  }
  if (expected === null) {
    const pins = await registry.pinsOf(model, call);
    if (!pins.some(({ name }) => name === anchorPin)) {
      await registry.pin({ model, version, name: anchorPin, reason: 'first champion' }, call);
    }
  }
}

function mismatch(model: string, expected: VersionId | null, found: VersionId | undefined): ApplicationFailure {
  return ApplicationFailure.create({
    type: failureType.championMismatch,
    nonRetryable: true,
    message: `the champion of ${model} should be ${expected ?? 'none'} but the registry names ${found ?? 'another one'}; look at who changed it, then start the release again`,
  });
}
