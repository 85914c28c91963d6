import { artifactCases } from './store-artifacts.js';
import { basicCases, uploadCases } from './store-basics.js';
import { processCases } from './store-processes.js';
import { raceCases } from './store-races.js';
import { registryCases } from './store-registry.js';
import type { ArtifactStoreSuite, ConformanceCase } from './suite.js';

export { badKeys, goodKeys, type BadKey } from './bad-keys.js';
export { metered, type Meter } from './metered.js';
export type { ArtifactStoreSuite, ConformanceCase, ElsewhereStore } from './suite.js';

/**
 * Everything that an artifact store must keep: single objects, uploads in parts, races, whole artifacts, the registry on
 * top, and kills. Each case wants a store that is empty and used by nobody else; it needs no test framework. Titles name
 * the invariant (A1 to A6, G6) that the case is about. A case takes at most two minutes.
 *
 * @example
 * for (const { title, run } of artifactStoreConformance({ name: 'file' })) it(title, () => withStore(run));
 */
export function artifactStoreConformance({ name, elsewhere }: ArtifactStoreSuite): readonly ConformanceCase[] {
  const cases = [
    ...basicCases,
    ...uploadCases,
    ...raceCases,
    ...artifactCases,
    ...registryCases,
    ...(elsewhere === undefined ? [] : processCases(elsewhere)),
  ];
  return cases.map((one) => ({ ...one, title: `${name}: ${one.title}` }));
}
