export { isStarterError, StarterError, type StarterProblem } from './errors.js';
export {
  createStarters,
  type ModelStatus,
  type Press,
  type RetrainRequest,
  type StarterOptions,
  type Starters,
} from './starters.js';
export type { Answer, Decision, GovernorStatus, WaitingFor } from '@retempo/workflows/contracts';
export type { ButtonAnswer, RunStatus } from '@retempo/workflows/messages';
