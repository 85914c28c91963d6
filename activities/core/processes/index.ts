export {
  ageMs,
  hasEnded,
  identityOf,
  isAlive,
  livenessOf,
  ownIdentity,
  processStat,
  signalProcess,
  type ProcessIdentity,
  type ProcessStat,
} from './identity.js';
export { makeFolder } from './make-folder.js';
export { livenessOfName, ownedName } from './owned-name.js';
