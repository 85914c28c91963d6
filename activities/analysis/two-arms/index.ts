export { delong, type DelongInput, type DelongResult } from './delong.js';
export { mannWhitney, type MannWhitneyInput, type MannWhitneyResult } from './mann-whitney.js';
export { mantelHaenszel, type MantelHaenszelInput, type MantelHaenszelResult } from './mantel-haenszel.js';
export { nonInferiorityScore, type NonInferiorityInput } from './non-inferiority-score.js';
export {
  pairedBootstrap,
  type PairedBootstrapInput,
  type PairedBootstrapResult,
  type WeightedStatistic,
} from './paired-bootstrap.js';
export { powerProportions, type PowerProportionsInput, type PowerProportionsResult } from './power-proportions.js';
export {
  clopperPearsonInterval,
  mcnemar,
  newcombeInterval,
  newcombePaired,
  proportionTest,
  sampleRatio,
  wilsonInterval,
  type ClopperPearsonInput,
  type DifferenceInterval,
  type Interval,
  type McnemarInput,
  type McnemarResult,
  type NewcombeInput,
  type NewcombePairedInput,
  type ProportionTestInput,
  type SampleRatioInput,
  type TestResult,
  type WilsonInput,
} from './proportions.js';
export { welch, type WelchInput, type WelchResult } from './welch.js';
