import type { ModelSpec } from './contracts/index.js';
import type { GovernorState } from './domain/governor/state.js';
import { statusOf, type GovernorDigests } from './domain/governor/status.js';
import { timeText } from './domain/times.js';
import { phaseReporter, showDetails } from './visibility.js';

/** What people see of a governor: details and search attributes. Decides nothing. */
export function governorBoard() {
  const report = phaseReporter('healthy');
  return (state: GovernorState, spec: ModelSpec, digests: GovernorDigests): void => {
    const now = Date.now();
    const time = (iso: string) => timeText(Date.parse(iso), now);
    const status = statusOf(state, spec, digests, now);
    report(status.phase === 'confirmed' ? 'waiting' : status.phase);
    showDetails({
      title: status.sentence,
      facts: [
        ['phase', status.phase],
        ['champion', status.champion ?? 'none'],
        ['run', status.running === null ? 'none' : `${status.running.runId} (${status.running.phase})`],
        ['next run', status.next === null ? 'none' : `${status.next.runId}, ${status.next.causes} causes`],
        ['budget', `${status.budget.used} of ${status.budget.of} runs used`],
        [
          'cooldown',
          status.cooldownUntil === null
            ? 'none'
            : `until ${time(status.cooldownUntil)}, factor ${status.cooldownFactor}`,
        ],
        ['spec', digests.specDigest],
      ],
      reasons: state.decisions.slice(0, 8).map((d) => `${time(d.at)} ${d.by}: ${d.what}. ${d.reason}`),
      can: 'Updates: `requestRetrain`, `pause`, `resume`, `rollback` with `{"actor": "...", "reason": "..."}`. Cancel: no new runs. A terminated governor comes back with its memory by `retempo apply`.',
    });
  };
}
