import { powerCount } from '@retempo/analysis';
import type { ReleaseSpec } from '@retempo/workflows/contracts';
import { count, duration, percent } from '../text/quantities.js';
import type { Traffic } from './traffic.js';

/** Simulated canaries per question: the answer is exact to about 5 in 100, which is what a hint needs. */
const trials = 400;
/** Looks of the simulated step, and requests of the candidate between two. */
const looks = 60;
const perLook = 50;
/** Simulations are repeatable, so that the same files give the same plan. */
const seed = 1;

/**
 * What the first step of a canary will need and what it can find, by simulation of its error guardrail. The rates are
 * assumed: healthy is half of what the guardrail ignores, and a doubling is judged where errors begin to matter. With
 * `traffic` the requests are told as a time too.
 */
export function canaryHint(release: ReleaseSpec, traffic: Traffic | null): string | null {
  const { worseThan, safeBelow, ignoreBelow, overdispersion } = release.guardrails.errors;
  const [first] = release.steps;
  if (first === undefined || ignoreBelow <= 0) return null;
  const step = {
    allowedRatio: worseThan,
    safeBelow: Math.max(safeBelow, worseThan),
    ignoreBelow,
    share: first / 100,
    alpha: release.alpha,
    looks,
    perLook,
    seed,
    trials,
  };
  const healthy = powerCount({ ...step, baseRate: ignoreBelow / 2, ratio: 1 });
  const doubled = powerCount({ ...step, baseRate: ignoreBelow, ratio: 2 });
  // Requests that fail together are one piece of evidence: what is simulated are pieces of evidence.
  const simulated = count(looks * perLook * overdispersion);
  const passes =
    healthy.medianUnits === null || healthy.probabilityPass < 0.5
      ? `a healthy candidate has not passed step 1 (${first} %) after ${simulated} of its requests`
      : passesText(Math.round(healthy.medianUnits * overdispersion), first, traffic);
  const caught = Math.round(doubled.probabilityFail * 10);
  return (
    `canary: at ${percent(ignoreBelow / 2)} errors ${passes}; from ${percent(ignoreBelow)} to ${percent(ignoreBelow * 2)} ` +
    `a doubling would be caught ${caught} times in 10 within ${simulated} of them`
  );
}

const passesText = (requests: number, weight: number, traffic: Traffic | null): string => {
  const all = (requests * 100) / weight;
  return `a healthy candidate passes step 1 (${weight} %) after about ${count(requests)} of its requests, ${count(all)} in all${timeText(all, traffic)}`;
};

/** How long so many requests take to come. */
function timeText(requests: number, traffic: Traffic | null): string {
  if (traffic === null || traffic.requests === 0) return '';
  const { requests: seen, overMs } = traffic;
  const over = overMs >= 3_600_000 ? `last ${Math.round(overMs / 3_600_000)} h` : `last ${duration(overMs)}`;
  return `, ${rounded((requests / seen) * overMs)} at the traffic of the ${over}`;
}

/** An estimate is no better than to the minute. */
const rounded = (ms: number): string => duration(ms < 120_000 ? ms : Math.round(ms / 60_000) * 60_000);
