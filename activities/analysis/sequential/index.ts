export { asymptoticCs, type AsymptoticCsInput, type AsymptoticCsResult, type Side } from './asymptotic-cs.js';
export { bernoulliConfidenceSequence, type BernoulliSequenceInput } from './bernoulli-confidence-sequence.js';
export { type BetaPrior } from './count-evidence.js';
export {
  countTest,
  DEFAULT_PRIOR_STRENGTH,
  type CountTestArms,
  type CountTestOptions,
  type CountTestRaw,
  type CountTestResult,
} from './count-test.js';
export {
  groupSequentialBoundaries,
  type GroupSequentialInput,
  type GroupSequentialResult,
  type Spending,
} from './group-sequential.js';
export { msprt, type MsprtInput, type MsprtResult } from './msprt.js';
export { normalMixture, type NormalMixture, type NormalMixtureInput } from './normal-mixture.js';
export {
  rateRatioSequence,
  type RateRatioInput,
  type RateRatioInterval,
  type RateStep,
} from './rate-ratio-sequence.js';
export { sequentialCombine, type CombinedEvidence } from './sequential-combine.js';
