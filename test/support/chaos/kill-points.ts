import type { Point } from './worker-process.js';

/** Await points of one step of a release. */
export interface PointGroup {
  /** Invariants that are at stake. */
  readonly proves: string;
  readonly step: string;
  readonly points: readonly Point[];
}

const both = (call: string, ...nths: readonly number[]): readonly Point[] =>
  (nths.length === 0 ? [1] : nths).flatMap((nth) => [
    { call, nth, when: 'before' as const },
    { call, nth, when: 'after' as const },
  ]);

const count = (last: number): readonly number[] => Array.from({ length: last }, (_, index) => index + 1);

/**
 * Calls of a release that is promoted, in order: 3 jobs (train, evaluate the candidate, evaluate the champion), two
 * steps of a canary, the promotion. `before` and `after` an activity lie between Temporal and us, those of a port between
 * us and the outside world.
 */
export const promotionPoints: readonly PointGroup[] = [
  { proves: 'P3', step: 'save governor', points: both('activity.saveGovernor', 1, 2) },
  { proves: 'A1', step: 'freeze data', points: [...both('activity.getChampion'), ...both('activity.snapshotData')] },
  {
    proves: 'J1 J2',
    step: 'submit',
    points: [...both('activity.submitJob', 1, 2, 3), ...both('jobs.find'), ...both('jobs.create', 1, 2, 3)],
  },
  { proves: 'J2', step: 'wait', points: [...both('activity.awaitJob', 1, 3), ...both('jobs.describe', 1, 2, 4)] },
  { proves: 'J2 A1', step: 'collect', points: [...both('activity.collectOutput', 1, 2), ...both('jobs.outputOf')] },
  { proves: 'A1 A2', step: 'register', points: [...both('activity.registerVersion'), ...both('registry.register')] },
  { proves: 'G1', step: 'gate', points: [...both('activity.evaluateGate'), ...both('registry.setMetrics')] },
  { proves: 'G4', step: 'deploy', points: [...both('activity.deployVersion'), ...both('serving.deploy')] },
  {
    proves: 'G2 G4',
    step: 'set traffic',
    points: [
      ...both('activity.describeEndpoint', 1, 2, 4),
      ...both('activity.setTraffic', 1, 2),
      ...both('serving.setTraffic', 1, 2),
    ],
  },
  { proves: '14', step: 'observe', points: [...both('activity.observe', 1, 2), ...both('metrics.readArms', 1)] },
  {
    proves: 'G4 G6',
    step: 'promote',
    points: [
      ...both('activity.setChampion'),
      ...both('registry.setAlias'),
      ...both('activity.setTraffic', 3),
      ...both('serving.setTraffic', 3),
    ],
  },
  {
    proves: '6',
    step: 'retire the one before',
    points: [...both('activity.retireVersion'), ...both('serving.retire')],
  },
  { proves: 'P3', step: 'finish', points: [...both('activity.exportRun'), ...both('activity.resetMonitor')] },
  { proves: 'A1 P3', step: 'every write of the store', points: count(22).flatMap((nth) => both('store.put', nth)) },
];

/** Calls of the way back, counted from the press of the button. */
export const rollbackPoints: readonly PointGroup[] = [
  {
    proves: 'G3 G4 4',
    step: 'rollback',
    points: [
      ...both('activity.describeEndpoint', 1, 2),
      ...both('activity.setTraffic'),
      ...both('serving.setTraffic'),
      ...both('activity.retireVersion'),
      ...both('serving.retire'),
    ],
  },
  { proves: 'A1 P3', step: 'every write of the store', points: count(4).flatMap((nth) => both('store.put', nth)) },
];

/**
 * Calls without points of their own: reads of a port inside an activity that has points before and after it, updates of a
 * document, which are one write of the store, and what the governor asks about its run now and then.
 */
const withoutPoints =
  /^(store\.(head|read|list)|registry\.(getAlias|readDocument|updateDocument|listDocuments|listVersions|getVersion)|serving\.describe|activity\.describeRelease)$/;

/** Calls of a worker for which no group has a point: await points that nobody is killed at. */
export const callsWithoutPoint = (
  counts: { readonly [call: string]: number },
  groups: readonly PointGroup[]
): readonly string[] => {
  const known = new Set(groups.flatMap(({ points }) => points.map(({ call }) => call)));
  return Object.keys(counts).filter(
    (call) => !call.endsWith(':answered') && !known.has(call) && !withoutPoints.test(call)
  );
};

export const nameOf = ({ call, nth, when }: Point): string => `${when} ${call} #${nth}`;
