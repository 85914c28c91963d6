import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { costOf, type Cost } from './costs.js';
import { storedHistories } from './histories.js';

// The cost formulas of workflows/README.md, held against the recorded histories: exactly, because every construct in them
// is under our control. A construct more is a cost that somebody pays for every run.

const costs = new Map(
  storedHistories().map(({ name, text }) => [name, costOf(JSON.parse(text) as Parameters<typeof costOf>[0])])
);
const cost = (name: string): Cost => costs.get(name)!;
const times = ({ activities }: Cost, name: string): number => activities[name] ?? 0;
const kind = ({ kinds }: Cost, name: string): number => kinds[name] ?? 0;

const presses = (c: Cost) => kind(c, 'WORKFLOW_EXECUTION_UPDATE_ACCEPTED');
const children = (c: Cost) => kind(c, 'START_CHILD_WORKFLOW_EXECUTION_INITIATED');
const reports = (c: Cost) => kind(c, 'SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED');
const looks = (c: Cost) => times(c, 'observe');
/** One a look, unless a button cuts it short or asks for a look at once. */
const waits = (c: Cost) => kind(c, 'TIMER_STARTED') - c.polls;
const steps = (c: Cost) => times(c, 'setTraffic') - 1;

const formulas: readonly {
  readonly histories: readonly string[];
  readonly says: string;
  readonly actions: (cost: Cost) => number;
}[] = [
  {
    histories: [
      'jobReaper-nothing',
      'jobReaper-stray-job',
      'jobReaper-site-away',
      'jobReaper-cancelled',
      'driftCheck-nothing-due',
      'driftCheck-site-away',
      'driftCheck-cancelled',
    ],
    says: '2',
    actions: () => 2,
  },
  { histories: ['driftCheck-calm', 'driftCheck-alarm'], says: '3 + reports', actions: (c) => 3 + reports(c) },
  {
    histories: [
      'validationGate-no-champion',
      'validationGate-fail',
      'validationGate-inconclusive',
      'validationGate-anchor',
    ],
    says: '3',
    actions: () => 3,
  },
  {
    histories: ['validationGate-approved', 'validationGate-rejected', 'validationGate-expired'],
    says: '7 + votes',
    actions: (c) => 7 + presses(c),
  },
  {
    histories: [
      'modelRelease-no-data',
      'modelRelease-data-invalid',
      'modelRelease-user-code-failed',
      'modelRelease-cancelled',
      'modelRelease-refused-by-gate',
      'modelRelease-gate-inconclusive',
      'modelRelease-gate-rejected',
      'modelRelease-gate-approval-expired',
      'modelRelease-first-version',
      'modelRelease-rolled-back',
      'modelRelease-approved-promoted',
    ],
    says: '3 + 4 per stage reached (pipeline, gate, canary)',
    actions: (c) => 3 + 4 * children(c),
  },
  {
    histories: ['modelRelease-canary-terminated'],
    says: '2 more for a restoring canary',
    actions: (c) => 3 + 4 * (children(c) - 1) + 2,
  },
  {
    histories: [
      'trainingPipeline-first-version',
      'trainingPipeline-with-champion',
      'trainingPipeline-with-anchor',
      'trainingPipeline-hand-over',
    ],
    says: '10 + 3 per job, + 4 per further attempt',
    actions: (c) => {
      const jobs = times(c, 'collectOutput');
      return 10 + 3 * jobs + 4 * (times(c, 'submitJob') - jobs);
    },
  },
  {
    histories: ['canaryDeployment-first-version', 'canaryDeployment-promoted'],
    says: '9 + 2 per step + 1 per look and per wait for one + 2 per poll of readiness',
    actions: (c) => 9 + 2 * (steps(c) + c.polls) + looks(c) + waits(c),
  },
  {
    histories: ['canaryDeployment-baked'],
    says: '2 more with a bake: its phase is shown, and shown no more',
    actions: (c) => 11 + 2 * (steps(c) + c.polls) + looks(c) + waits(c),
  },
  {
    histories: ['canaryDeployment-rolled-back', 'canaryDeployment-deadline', 'canaryDeployment-paused-resumed'],
    says: '11 + 2 per step + 1 per look and per wait for one + 2 per poll of readiness + presses',
    actions: (c) => 11 + 2 * (steps(c) + c.polls) + looks(c) + waits(c) + presses(c),
  },
  { histories: ['canaryDeployment-restore'], says: '5', actions: () => 5 },
];

describe('the cost formulas', () => {
  for (const { histories, says, actions } of formulas) {
    it.each(histories)(`%s: ${says}`, (name) => {
      expect(cost(name).actions).toBe(actions(cost(name)));
    });
  }

  it('a look of a canary is 11 events and 2 actions', () => {
    const [few, many] = [cost('canaryDeployment-deadline'), cost('canaryDeployment-paused-resumed')];
    const more = looks(many) - looks(few);
    expect(more).toBeGreaterThan(0);
    // A press is two events and the task that carries it.
    expect(many.actions - few.actions).toBe(more + waits(many) - waits(few) + presses(many));
    expect(many.events - few.events).toBeLessThanOrEqual(11 * more + 5 * presses(many));
  });

  it('waiting for a job costs one activity, however long it takes', () => {
    for (const [name, { activities }] of costs) {
      if (name.startsWith('trainingPipeline')) {
        expect(activities['awaitJob'] ?? 0, name).toBeLessThanOrEqual(activities['submitJob'] ?? 0);
      }
    }
  });
});

describe('workflows/README.md', () => {
  const readme = readFileSync(fileURLToPath(new URL('workflows/README.md', repositoryRoot)), 'utf8');
  const rows = [...readme.matchAll(/^\| `(\w+-[\w-]+)`\s*\| (\d+)\s*\| (\d+)\s*\| ([\d.]+)\s*\|/gm)];

  it('shows what was measured', () => {
    expect(rows.length).toBeGreaterThanOrEqual(10);
    const shown = rows.map(
      ([, name, events, actions, kb]) => `${name}: ${events} events, ${actions} actions, ${kb} KB`
    );
    const measured = rows.map(([, name]) => {
      const { events, actions, bytes } = cost(name!);
      return `${name}: ${events} events, ${actions} actions, ${(bytes / 1_000).toFixed(1)} KB`;
    });
    expect(shown).toEqual(measured);
  });
});
