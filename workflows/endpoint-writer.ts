import { ApplicationFailure, CancellationScope, log, sleep } from '@temporalio/workflow';
import { failureTypeOf, rootMessage, timedOut } from './activity-failures.js';
import { failureType } from './contracts/failures.js';
import { deployKey } from './contracts/ids.js';
import type { Deployable, EndpointState, Limits, ReleaseSpec, VersionId } from './contracts/index.js';
import { controlWrites, servingReads, servingWrites, wayBackReads, wayBackWrites } from './proxies.js';

// Writes of one canary to one endpoint. Every write carries our epoch and the revision we believe in, so that a write
// that was delayed on its way can never undo a later one.

export interface EndpointWriter {
  readonly site: string;
  readonly endpoint: string;
  readonly epoch: number;
  readonly limits: Limits;
  /** On the way back somebody tries again after every failure: each single call tries for a short time only. */
  readonly wayBack?: boolean;
}

/** What the endpoint serves now, as its router says. */
export const readBack = ({ site, endpoint, limits, wayBack }: EndpointWriter): Promise<EndpointState | null> =>
  (wayBack === true ? wayBackReads : servingReads)(site, limits, `read ${endpoint}`).describeEndpoint({ endpoint });

export type Weights = { readonly [version: VersionId]: number };
interface Lease {
  readonly seconds: number;
  readonly fallback: VersionId;
}

/** How long the split of a canary holds without anybody who judges it; null without a lease or without a champion. */
export const leaseOf = (release: ReleaseSpec, champion: Deployable | null): Lease | null =>
  release.leaseMs === null || champion === null
    ? null
    : { seconds: Math.ceil(release.leaseMs / 1000), fallback: champion.version };

/** Versions with traffic, as read back. */
export const weighted = (state: EndpointState): Weights =>
  Object.fromEntries(
    Object.entries(state.versions)
      .filter(([, { weight }]) => weight > 0)
      .map(([version, { weight }]) => [version, weight])
  );

/** The full map: every version the endpoint knows, those not named at 0. */
function fullMap(state: EndpointState, weights: Weights): Weights {
  const zeros = Object.fromEntries(Object.keys(state.versions).map((version) => [version, 0]));
  return { ...zeros, ...weights };
}

/** Sets weights on top of the state last read; one fresh read when somebody else was quicker. */
export async function setWeights(
  writer: EndpointWriter,
  weights: Weights,
  lease: Lease | null,
  summary: string
): Promise<EndpointState> {
  const { site, endpoint, epoch, limits, wayBack } = writer;
  for (let tries = 1; ; tries++) {
    const before = await readBack(writer);
    if (before === null) throw gone(endpoint, site);
    try {
      return await (wayBack === true ? wayBackWrites : servingWrites)(site, limits, summary).setTraffic({
        endpoint,
        weights: fullMap(before, weights),
        ifRevision: before.revision,
        epoch,
        lease,
      });
    } catch (error) {
      if (failureTypeOf(error) !== failureType.port('Conflict') || tries === 3 || before.epoch > epoch) throw error;
    }
  }
}

/** Starts a version at weight 0 and waits until it answers; the reason why not, or null. */
export async function deployReady(
  writer: EndpointWriter,
  { version, artifact }: Deployable,
  releaseId: string,
  deadlineMs: number
): Promise<string | null> {
  const { site, endpoint, epoch, limits } = writer;
  await CancellationScope.nonCancellable(() =>
    servingWrites(site, limits, `deploy ${version} at weight 0`).deployVersion({
      key: deployKey(releaseId, version),
      endpoint,
      version,
      artifact,
      epoch,
    })
  );
  const deadline = Date.now() + deadlineMs;
  for (let pauseMs = 500; ; pauseMs = Math.min(15_000, pauseMs * 2)) {
    const now = (await readBack(writer))?.versions[version];
    if (now !== undefined && now.ready >= 1) return null;
    if (Date.now() >= deadline) {
      return `${version} did not become ready within ${deadlineMs / 1000} s: ${now?.problem ?? 'no answer'}; look at the log of its model server at ${site}`;
    }
    await sleep(pauseMs, { summary: `${version} starts` });
  }
}

/** Ending versions is housekeeping: it never decides how a canary ended. */
export async function retireVersions(
  { site, endpoint, epoch, limits }: EndpointWriter,
  versions: readonly VersionId[],
  releaseId: string
): Promise<void> {
  for (const version of versions) {
    try {
      const key = deployKey(releaseId, version);
      await servingWrites(site, limits, `retire ${version}`).retireVersion({ key, endpoint, version, epoch });
    } catch (error) {
      log.warn('a version could not be retired', { version, error: rootMessage(error) });
    }
  }
}

/**
 * The endpoint serves the champion and nothing else.
 *
 * @throws ApplicationFailure `Retempo.ChampionMismatch`: a canary on an endpoint that serves something else would compare
 * with the wrong version.
 */
export function assertServes(state: EndpointState, champion: VersionId | null, model: string, endpoint: string): void {
  const serving = Object.keys(weighted(state));
  const agrees = champion === null ? serving.length === 0 : serving.length === 1 && serving[0] === champion;
  if (agrees) return;
  throw ApplicationFailure.create({
    type: failureType.championMismatch,
    nonRetryable: true,
    message: `endpoint ${endpoint} serves ${JSON.stringify(weighted(state))}, but the registry's champion is ${champion ?? 'none'}; bring them together with: retempo rollback ${model}`,
  });
}

const gone = (endpoint: string, site: string) =>
  ApplicationFailure.create({
    type: failureType.port('NotFound'),
    message: `${site} no longer has an endpoint ${endpoint}; look at its router`,
  });

/** What stands in the way, for people; a time-out alone does not say whose. */
export const endpointTrouble = (error: unknown): string =>
  timedOut(error) ? 'neither a worker of its site nor the router answered in time' : rootMessage(error);

const attemptsBeforeBlocked = 3;
const longestPauseMs = 60_000;

/**
 * Tries until it is done, and does not give up: after some attempts `onBlocked` makes the trouble visible and people are told,
 * and the attempts go on. Call it where a cancellation does not reach.
 */
export async function untilDone<T>(
  of: { readonly limits: Limits; readonly model: string; readonly releaseId: string; readonly what: string },
  onBlocked: (reason: string, nextTry: number) => void,
  attempt: () => Promise<T>
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      const pauseMs = Math.min(longestPauseMs, 1_000 * 2 ** Math.min(tried, 6));
      if (tried >= attemptsBeforeBlocked) {
        const reason = endpointTrouble(error);
        onBlocked(reason, Date.now() + pauseMs);
        await controlWrites(of.limits, `tell people: ${of.what} is blocked`).notifyPeople({
          kind: 'rollbackBlocked',
          model: of.model,
          text: `${of.what} does not succeed: ${reason}. Retempo keeps trying; look at the router and at the workers of its site.`,
          dedupeKey: `${of.releaseId}/rollbackBlocked`,
        });
      }
      await sleep(pauseMs, { summary: 'rollback tried again' });
    }
  }
}

/**
 * One attempt at giving the champion all the traffic, with a higher epoch than any write so far, whoever made it: what is still
 * on its way arrives too late. The endpoint as read back, or null when there is none; unchanged without a champion.
 */
export async function giveBack(
  writer: EndpointWriter,
  champion: Deployable | null,
  releaseId: string,
  deployDeadlineMs: number
): Promise<EndpointState | null> {
  const { endpoint } = writer;
  const before = await readBack({ ...writer, wayBack: true });
  if (before === null || champion === null) return before;
  const later = { ...writer, wayBack: true, epoch: Math.max(writer.epoch, before.epoch) + 1 };
  const { version } = champion;
  if (before.versions[version] === undefined) await deployReady(later, champion, releaseId, deployDeadlineMs);
  const state = await setWeights(later, { [version]: 100 }, null, `100 % to ${version}`);
  if (state.versions[version]?.weight === 100) return state;
  throw new Error(`${endpoint} reads back ${JSON.stringify(weighted(state))}`);
}
