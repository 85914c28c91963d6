import { reject, requireArray, requireObject, requireProbabilities, requireSameLength, type Sample } from '../input.js';
import { rowLogLoss } from './log-loss.js';

/** Input of {@link multiclass}. */
export interface MulticlassInput {
  /** Class index per row: a whole number from 0 to classes - 1. */
  readonly labels: Sample;
  /** One row of class probabilities per label; each row sums to 1 (within 1e-6), all rows have the same length. */
  readonly probabilities: readonly Sample[];
}

/** Output of {@link multiclass}. */
export interface MulticlassQuality {
  /** Share of rows whose most probable class (the first one in a tie) is the label. */
  readonly accuracy: number;
  /** Unweighted mean of the F1 of every class that occurs as a label or as a prediction. */
  readonly macroF1: number;
  /** Mean of -ln(probability given to the label), clipped at 1e-15. */
  readonly logLoss: number;
}

/**
 * Quality of a model with two or more classes.
 *
 * @throws AnalysisInputError for no rows, a label that is no class, rows of different length or that do not sum to 1.
 *
 * @example
 * multiclass({ labels: [0, 2], probabilities: [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]] }).accuracy; // 0.5
 */
export function multiclass(input: MulticlassInput): MulticlassQuality {
  requireObject('input', input);
  const { labels, probabilities } = input;
  requireArray('labels', labels, 1);
  requireArray('probabilities', probabilities, 1);
  requireSameLength('probabilities', probabilities, 'labels', labels);
  const first = probabilities[0] as Sample;
  requireProbabilities('probabilities[0]', first);
  const classes = first.length;
  const hits = new Float64Array(classes);
  const labelled = new Float64Array(classes);
  const called = new Float64Array(classes);
  let loss = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = probabilities[i]!;
    const label = labels[i]!;
    requireRow(`probabilities[${i}]`, row, first);
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      reject(`labels[${i}]`, `a whole number in [0, ${classes - 1}]`, label);
    }
    const prediction = row.indexOf(Math.max(...row));
    labelled[label]!++;
    called[prediction]!++;
    if (prediction === label) hits[label]!++;
    loss += rowLogLoss(1, row[label] as number);
  }
  const occurring = [...hits.keys()].filter((k) => labelled[k]! + called[k]! > 0);
  const f1 = occurring.map((k) => (2 * hits[k]!) / (labelled[k]! + called[k]!));
  return {
    accuracy: hits.reduce((a, b) => a + b, 0) / labels.length,
    macroF1: f1.reduce((a, b) => a + b, 0) / f1.length,
    logLoss: loss / labels.length + 0,
  };
}

function requireRow(field: string, row: Sample, first: Sample): void {
  requireProbabilities(field, row);
  requireSameLength(field, row, 'probabilities[0]', first);
  let sum = 0;
  for (const p of row) sum += p;
  if (Math.abs(sum - 1) > 1e-6) reject(field, 'probabilities that sum to 1', sum);
}
