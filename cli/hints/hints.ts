import type { Session } from '../session.js';
import type { ProjectChanges } from '../apply/changes.js';
import { storeCall } from '../apply/call.js';
import { canaryHint } from './canary-hint.js';
import { dataHint } from './data-hint.js';
import { gateHint, lastComparisons } from './gate-hint.js';
import { notEnforced } from './not-enforced.js';
import { seasonHint } from './season-hint.js';
import { recentTraffic } from './traffic.js';

/** Something worth knowing before it is applied. */
export interface Hint {
  readonly model: string;
  readonly kind: 'canary' | 'data' | 'gate' | 'notEnforced';
  readonly text: string;
}

/** Hints about the models that would change. A hint that cannot be had is no reason to hold a plan up. */
export async function hintsFor(session: Session, changes: ProjectChanges): Promise<readonly Hint[]> {
  const { registry, sites } = await session.installation();
  const hints: Hint[] = [];
  for (const { model, spec, change } of changes.models) {
    if (change === 'none') continue;
    for (const text of notEnforced(spec)) hints.push({ model, kind: 'notEnforced', text });
    const data = await dataHint(spec, storeCall(session.io));
    if (data !== null) hints.push({ model, kind: 'data', text: data });
    const season = await seasonHint(spec, storeCall(session.io));
    if (season !== null) hints.push({ model, kind: 'data', text: season });
    const site = sites.find(({ id }) => id === spec.release.site);
    const asked = { call: storeCall(session.io), now: Date.now() };
    const traffic = await recentTraffic(site, spec.release.endpoint, asked).catch(() => null);
    const canary = attempt(() => canaryHint(spec.release, traffic));
    if (canary !== null) hints.push({ model, kind: 'canary', text: canary });
    const comparisons = await lastComparisons(registry, model, storeCall(session.io)).catch(() => []);
    const gate = attempt(() => gateHint(spec.gate, comparisons));
    if (gate !== null) hints.push({ model, kind: 'gate', text: gate });
  }
  return hints;
}

function attempt(make: () => string | null): string | null {
  try {
    return make();
  } catch {
    return null;
  }
}
