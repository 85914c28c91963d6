// One transfer of a file, alone in its process, so that its memory and its reads are its own. Started by store.mjs:
//   node test/bench/transfer.mjs seal <folder> <store>
//   node test/bench/transfer.mjs relay <reference> <from store> <to store>
//   node test/bench/transfer.mjs fetch <reference> <store> <folder>
// Prints one JSON line: { seconds, cpuSeconds, rssMiB, readBytes, ref }.
import { readFileSync } from 'node:fs';
// Of the package only what moves bytes: the rest of it would count as memory of a transfer.
import {
  copyArtifact,
  createFileStore,
  createStores,
  materialize,
  sealFolder,
} from '../../activities/core/dist/artifacts/index.js';

const [kind, ...args] = process.argv.slice(2);
const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 3_600_000 };
const reference = () => JSON.parse(args[0] ?? '');
const open = (/** @type {string | undefined} */ root) => createFileStore({ root: root ?? '' });

/** Bytes that this process has read, from the kernel. */
const read = () => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);

/** @type {{ [kind: string]: () => Promise<unknown> }} */
const transfers = {
  seal: () => sealFolder({ store: open(args[1]), folder: args[0] ?? '', prefix: 'versions' }, call),
  relay() {
    const from = { stores: createStores([open(args[1])]), ref: reference() };
    return copyArtifact({ from, to: { store: open(args[2]), prefix: 'versions' } }, call);
  },
  fetch: () => materialize({ stores: createStores([open(args[1])]), ref: reference(), folder: args[2] ?? '' }, call),
};

const [before, cpu, started] = [read(), process.cpuUsage(), performance.now()];
const ref = await transfers[kind ?? '']?.();
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
const rssMiB = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
console.log(
  JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, rssMiB, readBytes: read() - before, ref: ref ?? null })
);
