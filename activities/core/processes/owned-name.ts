import { createHash, randomBytes } from 'node:crypto';
import { identityOf, isAlive, ownIdentity } from './identity.js';

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 10);

/** File name that carries the identity of its owner, so that others can tell when it was left behind. */
export function ownedName(): string {
  const { host, boot, pidSpace, pid, started } = ownIdentity();
  return `${short(`${host}\n${boot}\n${pidSpace}`)}-${pid}-${short(started)}-${randomBytes(8).toString('hex')}`;
}

/** Whether the maker of a name from {@link ownedName} still runs. */
export function livenessOfName(name: string): 'alive' | 'dead' | 'unknown' {
  const [place, pid, started] = name.split('-');
  const { host, boot, pidSpace } = ownIdentity();
  if (place !== short(`${host}\n${boot}\n${pidSpace}`)) return 'unknown';
  const now = identityOf(Number(pid));
  return now !== null && short(now.started) === started && isAlive(now) ? 'alive' : 'dead';
}
