import { userInfo } from 'node:os';
import { Option } from 'commander';
import type { Io } from './io.js';
import { parseText } from './program.js';

/** `--actor`: who acts. */
export const actorOption = (): Option =>
  new Option('--actor <name>', 'who asks; default: RETEMPO_ACTOR, else the name of your account').argParser(parseText);

/** `--why`: half a sentence that is recorded. */
export const whyOption = (): Option =>
  new Option('--why <text>', 'half a sentence for the record: why').argParser(parseText).makeOptionMandatory();

/** Name under which a command is recorded. */
export function actorOf(io: Io, option: string | undefined): string {
  const named = option ?? io.env['RETEMPO_ACTOR'];
  if (named !== undefined && named.trim() !== '') return named;
  try {
    return userInfo().username;
  } catch {
    // An account without a name, as in some containers.
    return 'unknown';
  }
}
