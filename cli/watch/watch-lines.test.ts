import type { ModelStatus } from '@retempo/starters';
import { describe, expect, it } from 'vitest';
import { recordedIo } from '../recorded-io.test.util.js';
import { styleFor } from '../text/style.js';
import { createDisplay } from './display.js';
import type { PendingActivity } from './activities.js';
import type { Observation } from './observe.js';
import { progressText, watchLines } from './watch-lines.js';

const since = '2026-11-21T12:00:00.000Z';
const now = Date.parse(since) + 14_000;
const style = styleFor({}, false);

const status = (change: Partial<ModelStatus> = {}): ModelStatus => ({
  v: 1,
  model: 'flight-delay',
  phase: 'running',
  sentence: 'a sentence',
  champion: null,
  running: { runId: 'retempo/flight-delay/run/1-ab', phase: 'training', since },
  next: null,
  waitingFor: null,
  cooldownUntil: null,
  cooldownFactor: 1,
  budget: { used: 1, of: 8, perMs: 1 },
  specDigest: 'sha256:1',
  installationDigest: 'sha256:i',
  detail: null,
  ...change,
});

const pipeline = (activity: Partial<PendingActivity>): Observation['part'] => ({
  type: 'trainingPipeline',
  workflowId: 'w',
  phase: 'training',
  children: [],
  activities: [
    {
      type: 'awaitJob',
      started: true,
      attempt: 1,
      queue: 'retempo.onprem.local.wait',
      details: {},
      lastFailure: null,
      ...activity,
    },
  ],
});

const lines = (seen: Observation) => watchLines(seen, { style, now });

describe('watchLines', () => {
  it('shows the progress of a job and where it runs', () => {
    const details = { phase: 'running', progress: { progress: 0.35, step: 7, loss: 0.497123 }, problem: null };
    const seen = lines({ status: status(), part: pipeline({ details }) });
    expect(seen.now).toBe('flight-delay   TRAINING   job on onprem.local    35 %  step 7  loss 0.4971    0:14');
    expect(seen.around).toBe('champion none   run retempo/flight-delay/run/1-ab   next: evaluation, then gate');
  });

  it('shows attempt, pool and candidate as the pipeline tells them', () => {
    const detailed = (step: string, attempt: number) => {
      const job = { step, attempt, place: 'onprem.local/cpu' };
      const detail = { v: 1 as const, phase: 'training', sentence: 'Training', waitingFor: null, candidate: 'v1', job };
      return status({ detail });
    };
    const progress = { progress: 0.35, epoch: 7, epochs: 20, loss: 0.497123 };
    const running = pipeline({ details: { phase: 'running', progress } });
    const seen = lines({ status: detailed('train', 1), part: running });
    expect(seen.now).toBe(
      'flight-delay   TRAINING   attempt 1 on onprem.local/cpu    35 %  epoch 7/20  loss 0.4971    0:14'
    );
    expect(seen.around).toBe('champion none   candidate v1   next: evaluation, then gate');
    const queued = pipeline({ details: { phase: 'queued' } });
    expect(lines({ status: detailed('evaluate-champion', 2), part: queued }).now).toContain(
      'evaluate-champion, attempt 2, queued, on onprem.local/cpu'
    );
  });

  it('pairs a count with its total only where both are numbers', () => {
    expect(progressText({ step: 3, steps: 'many' })).toBe('step 3  steps many');
    expect(progressText({ steps: 10, step: 3 })).toBe('step 3/10');
    expect(progressText({ epochs: 10 })).toBe('epochs 10');
  });

  it('puts the weight of a canary into its label and shows its numbers', () => {
    const detail = { v: 1 as const, phase: 'step', sentence: 'canary 25 %  slow: 0.8x', waitingFor: null };
    const running = { runId: 'r', phase: 'canary' as const, since };
    const seen = lines({ status: status({ detail, running, champion: 'v1' }), part: null });
    expect(seen.now).toBe('flight-delay   CANARY 25 %   slow: 0.8x    0:14');
    expect(seen.around).toContain('next: promotion');
  });

  it('says what is waited for and until when: people, workers, slots', () => {
    const waitingFor = { workflowId: 'w', what: '2 approvals of v2', until: '2026-11-23T12:00:00.000Z' };
    expect(lines({ status: status({ waitingFor }), part: null }).now).toContain(
      'waits for 2 approvals of v2 until 2026-11-23 12:00 UTC'
    );
    const unserved = pipeline({ type: 'snapshotData', started: false, queue: null });
    expect(lines({ status: status(), part: unserved }).now).toContain('freezing the data    waits for a worker');
    expect(progressText({ waitingFor: 'slot', pool: 'cpu', busy: 2 })).toBe('waits for slot  pool cpu  busy 2');
  });

  it('shows a model at rest by its sentence, and the reserved next run', () => {
    const next = { runId: 'retempo/flight-delay/run/2-cd', causes: 3 };
    const seen = lines({
      status: status({ running: null, phase: 'waiting', sentence: 'cooldown ends', next }),
      part: null,
    });
    expect(seen.now).toBe('flight-delay   WAITING   cooldown ends');
    expect(seen.around).toContain(
      'then retempo/flight-delay/run/2-cd (3 causes)   you can: retempo retrain flight-delay --force --why "..."   to start it now'
    );
  });

  it('has one line for a sentence with many, and says where the rest is', () => {
    const sentence = 'on hold: train failed: exit code 1\nError: epochs is out of range\n    at train.js:5';
    const seen = lines({ status: status({ running: null, phase: 'hold', sentence }), part: null });
    expect(seen.now).toBe(
      'flight-delay   HOLD   on hold: train failed: exit code 1   (2 more lines: retempo status flight-delay)'
    );
  });

  it('never lets a program move the cursor', () => {
    const details = { phase: 'running', progress: { note: '\u001b[2Jgone' } };
    expect(lines({ status: status(), part: pipeline({ details }) }).now).not.toContain('\u001b');
  });

  it('names what keeps failing, and keeps quiet about a first retry', () => {
    const failing = (attempt: number) =>
      lines({ status: status(), part: pipeline({ type: 'submitJob', attempt, lastFailure: 'disk full\nmore' }) }).now;
    expect(failing(2)).not.toContain('trouble');
    expect(failing(6)).toContain('trouble: submitJob failed 5 times and is tried again: disk full    0:14');
  });
});

describe('createDisplay', () => {
  it('writes one line per change without a terminal', () => {
    const io = recordedIo();
    const display = createDisplay(io, { rewrite: false });
    display.show({ now: 'a', around: 'x', key: 'one\na' });
    display.show({ now: 'a 0:01', around: 'x', key: 'one\na' });
    display.show({ now: 'b', around: 'x', key: 'two\nb' });
    expect(io.out().trimEnd().split('\n')).toHaveLength(2);
    expect(io.out()).not.toContain('\u001b');
  });

  it('rewrites on a terminal, also lines that are broken by its width', () => {
    const io = recordedIo({ terminal: true });
    const display = createDisplay(io, { rewrite: true });
    display.show({ now: 'a'.repeat(150), around: 'x', key: '1' });
    display.show({ now: 'b', around: 'x', key: '2' });
    expect(io.out()).toContain('\u001b[3A\r\u001b[J');
  });

  it('writes each change once as JSON', () => {
    const io = recordedIo();
    const display = createDisplay(io, { rewrite: false });
    display.json('1', { a: 1 });
    display.json('1', { a: 1 });
    display.json('2', { a: 2 });
    expect(io.out()).toBe('{"a":1}\n{"a":2}\n');
  });
});
