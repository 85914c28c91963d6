import { eDetector, toleratedLoss, type EDetectorState } from '@retempo/analysis';
import type { ModelSpec, VersionId, WindowReport } from '@retempo/workflows/contracts';
import type { GateEvidence } from '../control/gate.js';
import { labelledLosses, type DueWindow } from '../data/index.js';
import type { Call } from '../ports/index.js';

/** One-sided confidence of the upper limit that an estimated baseline is raised to. */
const confidence = 0.95;

export interface LabelsInput {
  readonly spec: ModelSpec;
  readonly champion: VersionId;
  readonly window: DueWindow;
  readonly requestLog: string;
  readonly reference: NonNullable<GateEvidence['referenceLoss']>;
  readonly detector: EDetectorState | null;
}

export interface LabelsFinding {
  readonly report: WindowReport;
  readonly detector: EDetectorState | null;
}

/**
 * Mean loss that is still accepted: the loss at the gate, raised by its own uncertainty and by the tolerance, and below
 * the clip. Evidence of a gate keeps no second moment: a loss in [0, clip] with mean m has at most the standard deviation
 * sqrt(m (clip - m)).
 */
export function acceptedLoss(reference: LabelsInput['reference'], tolerate: number): number {
  const { mean, clip, n } = reference;
  const standardDeviation = Math.sqrt(mean * Math.max(0, clip - mean));
  return Math.min(clip * 0.999, toleratedLoss({ mean, standardDeviation, n, tolerance: tolerate, confidence }));
}

/** Evidence against another tolerance says nothing about this one: when the model file has changed it, it begins anew. */
function resumable(known: EDetectorState | null, fresh: EDetectorState): { readonly state?: EDetectorState } {
  if (known === null || known.tolerated !== fresh.tolerated) return {};
  const same = known.lambdas.length === fresh.lambdas.length && known.lambdas.every((l, i) => l === fresh.lambdas[i]);
  return same ? { state: known } : {};
}

/** Judges the live loss of one window whose labels have arrived. Only answers of the champion count. */
export async function judgeLabels(input: LabelsInput, call: Call): Promise<LabelsFinding> {
  const { spec, champion, window, requestLog, reference } = input;
  const watch = spec.watch.loss!;
  const found = await labelledLosses(
    { data: spec.data, window, requestLog, metric: watch.metric, versions: [champion] },
    call
  );
  const tolerated = acceptedLoss(reference, watch.tolerate);
  const options = { tolerated, alarmEvery: watch.falseAlarmEveryWindows, clip: watch.clip };
  const detector = eDetector({ ...options, ...resumable(input.detector, eDetector(options).state) });
  const before = detector.state.alarm;
  // Clipped as the detector and the gate clip them: the mean that is told is the one that is judged.
  const losses = found.losses.map((loss) => Math.min(loss, watch.clip));
  const { status, logEValue, alarm } = detector.update(losses);
  const n = losses.length;
  const mean = n === 0 ? 'unknown' : (losses.reduce((sum, loss) => sum + loss, 0) / n).toFixed(4);
  const evidence = logEValue === null ? 'none yet' : `e-value ${Math.exp(Math.min(60, logEValue)).toPrecision(3)}`;
  const numbers = `${watch.metric} ${mean} on ${n} labelled answers of ${champion}, tolerated ${tolerated.toFixed(4)} (${reference.mean.toFixed(4)} at its gate); ${evidence}, alarm at ${watch.falseAlarmEveryWindows}`;
  const common = { windowId: `${window.from}/${window.to}`, part: 'labels', revision: 1, champion } as const;
  if (status === 'noData') {
    const reason = `not enough data: ${n} labelled answers of ${champion}, ${found.rows} rows in the window; they are carried over`;
    return { report: { ...common, verdict: 'noData', confirmed: false, reason }, detector: detector.state };
  }
  const reason = alarm && !before ? `loss drifted: ${numbers}` : alarm ? `loss still drifted: ${numbers}` : numbers;
  return {
    report: { ...common, verdict: alarm ? 'fail' : 'pass', confirmed: alarm, reason },
    detector: detector.state,
  };
}
