import type { CommandDefinition } from '../program.js';
import { apply } from './apply.js';
import { buttons } from './buttons.js';
import { decisions } from './decisions.js';
import { remove } from './delete.js';
import { dev } from './dev.js';
import { doctor } from './doctor.js';
import { plan } from './plan.js';
import { retrain } from './retrain.js';
import { schema } from './schema.js';
import { status } from './status.js';
import { version } from './version.js';
import { watch } from './watch.js';
import { worker } from './worker.js';

/** Every command, in the order of the help. */
export const commands: readonly CommandDefinition[] = [
  dev,
  plan,
  apply,
  worker,
  retrain,
  status,
  watch,
  decisions,
  ...buttons,
  remove,
  doctor,
  schema,
  version,
];
