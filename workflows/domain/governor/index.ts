export { answerTable, budgetFreeAt, standingOf, standings, treatmentOf } from './answers.js';
export type { Standing, Treatment } from './answers.js';
export { comeBack, decisionsPerSave, noteUnfinished } from './recovery.js';
export { initialGovernor } from './state.js';
export type { GovernorState, NextRun, RunningRelease } from './state.js';
export { phaseOf, sentenceOf, statusOf } from './status.js';
export type { GovernorDigests } from './status.js';
export {
  answerTrigger,
  loseRun,
  nextWake,
  noteRollback,
  pauseModel,
  resumeModel,
  takeReport,
  takeRestored,
  takeWindow,
  tick,
} from './transitions.js';
