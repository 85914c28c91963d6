import { join } from 'node:path';
import { judgeDrift, type DriftFeature, type DriftJudgement, type DriftWindow } from '@retempo/analysis';
import type { ModelSpec, VersionRecord, WindowReport } from '@retempo/workflows/contracts';
import { materialize, type Stores } from '../artifacts/index.js';
import { featureBins, profileOf, type DueWindow, type FeatureBins, type Profile } from '../data/index.js';
import type { Call } from '../ports/index.js';
import type { Registry } from '../registry/index.js';
import { seasonProfile } from './season.js';
import { inTemporaryFolder } from './snapshot.js';

/** Windows that the memory of drifted features goes back: confirmation needs the same feature in 2 of 3, the last has the rest. */
const rememberedWindows = 3;

export interface FeaturesInput {
  readonly spec: ModelSpec;
  readonly champion: VersionRecord;
  readonly window: DueWindow;
  readonly reference: Profile;
  readonly history: readonly unknown[];
}

/**
 * Profile of the data a version was trained on: made once, from the snapshot that is part of its lineage, and kept.
 * Every window is binned by its edges, so that windows can be compared and added up.
 */
export async function trainingProfile(
  { registry, stores }: { readonly registry: Registry; readonly stores: Stores },
  model: string,
  version: VersionRecord,
  spec: ModelSpec,
  call: Call
): Promise<Profile> {
  const path = `models/${model}/profiles/${version.version}`;
  const known = await registry.readDocument<Profile>(path, call);
  if (known !== null) return known.value;
  const profile = await inTemporaryFolder(async (root) => {
    const folder = join(root, 'train');
    await materialize({ stores, ref: version.data.train, folder }, call);
    return profileOf({ data: spec.data, files: [join(folder, 'train.parquet')] }, call);
  });
  await registry.updateDocument<Profile>(path, (current) => (current === null ? profile : undefined), call);
  return profile;
}

/**
 * Judges the features of one window against the training data of the champion and, with `compare: sameSlot`, against the
 * same slot of earlier seasons too: a change that comes back every season is no drift. Where the season has too few rows
 * the training data decide alone, and the report says so.
 */
export async function judgeFeatures(
  { spec, champion, window, reference, history }: FeaturesInput,
  call: Call
): Promise<{ readonly report: WindowReport; readonly history: readonly unknown[] }> {
  const current = await profileOf({ data: spec.data, windows: [window], reference }, call);
  const known = spec.watch.compare.includes('sameSlot')
    ? await seasonProfile({ spec, champion, window, reference }, call)
    : null;
  const season = known !== null && known.rows >= spec.watch.minRows ? known : null;
  const judgement = judgeDrift({
    features: featureBins(reference, current, season).map(asDriftFeature),
    history: history as readonly DriftWindow[],
    policy: { minRows: spec.watch.minRows },
  });
  const found = judgement.reasons.slice(0, 3).join('; ') || `${current.rows} rows, no feature has drifted`;
  const reason = known === null || season !== null ? found : `${found}; ${seasonText(known.rows, spec, champion)}`;
  const report: WindowReport = {
    windowId: `${window.from}/${window.to}`,
    part: 'features',
    revision: 1,
    verdict: verdictOf(judgement),
    confirmed: judgement.confirmed.length > 0,
    reason: stillSuspect(judgement) ? `${reason}; not over yet: ${calmText(judgement)}` : reason,
    champion: champion.version,
  };
  return { report, history: [...history, judgement.window].slice(-rememberedWindows) };
}

/** A calm window, but a drift before it is not over: a pass would clear the suspicion too early. */
const stillSuspect = ({ verdict, unsettled }: DriftJudgement): boolean => verdict === 'pass' && unsettled.length > 0;

function verdictOf(judgement: DriftJudgement): WindowReport['verdict'] {
  if (stillSuspect(judgement)) return 'inconclusive';
  // A drift that another window has to confirm is a finding all the same.
  return judgement.verdict === 'inconclusive' && judgement.drifted.length > 0 ? 'fail' : judgement.verdict;
}

const calmText = ({ window }: DriftJudgement): string =>
  Object.entries(window.unsettled ?? {})
    .map(([name, calm]) => `${name} has had ${calm} of 3 calm windows since it drifted`)
    .join(', ');

const seasonText = (rows: number, { watch }: ModelSpec, { data }: VersionRecord): string =>
  `compared with the training data alone: the same slot of earlier seasons has ${rows} rows before ` +
  `${data.evaluateWindow.to.slice(0, 10)} and watch.minRows is ${watch.minRows}`;

/** Missing values are told apart from the other bins: they have a test of their own. */
function asDriftFeature({ name, kind, importance, labels, train, current, season }: FeatureBins): DriftFeature {
  const missingAt = labels.indexOf('(missing)');
  const without = (counts: readonly number[]) => ({
    counts: counts.filter((_, i) => i !== missingAt),
    missing: missingAt === -1 ? 0 : (counts[missingAt] ?? 0),
  });
  const seasonal = season === null ? {} : { seasonal: without(season) };
  return { name, kind, importance, train: without(train), current: without(current), ...seasonal };
}
