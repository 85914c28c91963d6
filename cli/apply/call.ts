import type { Call } from '@retempo/activities/ports';
import type { Io } from '../io.js';

/** Longest time that one piece of work on the stores may take, in milliseconds. */
const storeTimeoutMs = 120_000;

/** A call of a store on behalf of a command: ends when the person interrupts. */
export const storeCall = (io: Io): Call => ({ signal: io.interrupted, deadlineMs: Date.now() + storeTimeoutMs });
