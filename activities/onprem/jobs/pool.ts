import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createJson, readJson } from './atomic-file.js';
import { holderOf, takeClaim } from './claim.js';
import { jobMarker, jobPaths, poolFolder, readState } from './layout.js';
import { isAlive, ownIdentity, type ProcessIdentity } from '@retempo/activities/processes';
import { processesOf } from './job-processes.js';

interface SlotHolder {
  readonly v: 1;
  readonly key: string;
  readonly supervisor: ProcessIdentity;
}

/** A slot is busy while the job that took it has a supervisor or a process and has not ended. */
function isBusy(root: string, holder: SlotHolder): boolean {
  const state = readState(jobPaths(root, holder.key));
  if (state?.phase === 'ended') return false;
  if (isAlive(holder.supervisor)) return true;
  const program = state?.phase === 'running' ? state.program : null;
  return (program !== null && isAlive(program)) || processesOf(jobMarker(root, holder.key), program).length > 0;
}

const slotFolders = (root: string, pool: string): { readonly index: number; readonly folder: string }[] => {
  const folder = `${poolFolder(root, pool)}/slots`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return readdirSync(folder).map((name) => ({ index: Number(name), folder: `${folder}/${name}` }));
};

/** Indexes of the slots that are busy. */
function busySlots(root: string, pool: string): readonly number[] {
  return slotFolders(root, pool).flatMap(({ index, folder }) => {
    const holder = holderOf(folder) as SlotHolder | null;
    return holder !== null && isBusy(root, holder) ? [index] : [];
  });
}

/** Slots of a pool that are taken by a living job now: counted from processes, not from workers or activities. */
export const busyCount = (root: string, pool: string): number => busySlots(root, pool).length;

/**
 * How many of the first slots may be taken. They and the busy ones after them are never more than the limit, so that any
 * number of jobs that take a slot at once, each by a look of its own, stay within it.
 */
function usableSlots(busy: readonly number[], slots: number): number {
  let usable = slots;
  while (usable + busy.filter((index) => index >= usable).length > slots) usable -= 1;
  return usable;
}

interface Ticket {
  readonly v: 1;
  readonly supervisor: ProcessIdentity;
}

const ticketsFolder = (root: string, pool: string): string => `${poolFolder(root, pool)}/waiting`;

/** True when as many waiting jobs are older than this ticket as there are free slots: then it is not its turn. */
function isOvertaken(root: string, pool: string, ticket: string, free: number): boolean {
  const folder = ticketsFolder(root, pool);
  let before = 0;
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.json') && name < ticket)) {
    const other = readJson(`${folder}/${name}`) as Ticket | null;
    if (other === null) continue;
    if (!isAlive(other.supervisor)) {
      rmSync(`${folder}/${name}`, { force: true });
      continue;
    }
    before += 1;
    if (before >= free) return true;
  }
  return false;
}

/** One job's place in the line of its pool. */
export interface SlotRequest {
  /** Takes a slot if one is free and no older job waits for it; false otherwise. */
  tryTake(): boolean;
  /** Leaves the line. */
  close(): void;
}

/**
 * Joins the line for a slot: oldest job first. A job whose supervisor was replaced while its program ran keeps its slot
 * and does not ask again; one whose supervisor died before the start has freed the slot it had.
 * When a pool was made smaller, jobs in slots that no longer exist count until they end.
 */
export function requestSlot(options: {
  readonly root: string;
  readonly pool: string;
  readonly slots: number;
  readonly key: string;
  /** ISO 8601; orders the line. */
  readonly createdAt: string;
}): SlotRequest {
  const { root, pool, slots, key } = options;
  const folder = ticketsFolder(root, pool);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const supervisor = ownIdentity();
  const ticket = `${options.createdAt}-${key}.json`;
  rmSync(`${folder}/${ticket}`, { force: true });
  createJson(`${folder}/${ticket}`, { v: 1, supervisor } satisfies Ticket);
  const holder: SlotHolder = { v: 1, key, supervisor };
  return {
    tryTake() {
      const busy = busySlots(root, pool);
      if (isOvertaken(root, pool, ticket, slots - busy.length)) return false;
      for (let index = 0; index < usableSlots(busy, slots); index += 1) {
        const taken = takeClaim<SlotHolder>(
          `${poolFolder(root, pool)}/slots/${index}`,
          holder,
          (current) => !isBusy(root, current)
        );
        if (taken) return true;
      }
      return false;
    },
    close: () => rmSync(`${folder}/${ticket}`, { force: true }),
  };
}
