// All benchmarks, one after another: npm run bench [-- --short] [-- --report <file>]
// Fails when a count does not hold (bytes read, growth of memory). Ratios to a baseline of the same run are shown beside
// their marks; those that are not reached are named at the end.
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** @typedef {import('./rows.mjs').Row & { readonly of: string }} Measured */

const { values } = parseArgs({ options: { short: { type: 'boolean', default: false }, report: { type: 'string' } } });

/** Programs with the arguments of a long run and of a short one. */
const programs = [
  { of: 'file store', path: 'test/bench/store.mjs', long: [], short: ['--mib', '256', '--rounds', '3'] },
  { of: 'worker', path: 'test/bench/worker.mjs', long: [], short: ['--rounds', '3'] },
  { of: 'router', path: 'activities/onprem/serving/bench-router.mjs', long: [], short: ['1'] },
  {
    of: 'drift profile',
    path: 'activities/analysis/bench/drift-profile.mjs',
    long: [],
    short: ['--values', '2000000'],
  },
];
const root = new URL('../../', import.meta.url);

/** @type {Measured[]} */
const rows = [];
/** @type {string[]} */
const skipped = [];
/** @type {string[]} */
const broken = [];
for (const { of, path, long, short } of programs) {
  console.log(`\n== ${of}`);
  const child = fork(fileURLToPath(new URL(path, root)), values.short ? short : long, { cwd: fileURLToPath(root) });
  child.on('message', (/** @type {{ rows?: readonly Measured[], skipped?: string }} */ message) => {
    rows.push(...(message.rows ?? []).map((row) => ({ ...row, of })));
    if (message.skipped !== undefined) skipped.push(`${of}: ${message.skipped}`);
  });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  if (code !== 0) broken.push(`${of}: the program ended with ${code}`);
}

const named = (/** @type {Measured} */ { of, what, value, unit, mark }) =>
  `${of}: ${what}: ${value.toFixed(2)} ${unit}, mark <= ${mark}`;
const above = rows.filter(({ value, mark }) => mark !== null && !(value <= mark));
const held = rows.filter(({ kind, mark }) => kind === 'held' && mark !== null);
broken.push(...above.filter(({ kind }) => kind === 'held').map(named));
console.log(
  `\n${rows.length} rows; ${held.length} that have to hold, ${broken.length} failed; ${skipped.length} skipped`
);
for (const line of broken) console.log(`failed: ${line}`);
for (const line of skipped) console.log(`skipped: ${line}`);
for (const row of above.filter(({ kind }) => kind === 'shown')) console.log(`not reached: ${named(row)}`);

if (values.report !== undefined) {
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model, cores: cpus().length, memory: totalmem(), arch: arch(), node: process.version };
  const passed = held.filter(({ value, mark }) => value <= (mark ?? 0)).length;
  const summary = { passed, failed: broken.length, skipped: skipped.length };
  writeFileSync(values.report, `${JSON.stringify({ ...summary, machine, rows }, null, 2)}\n`);
}
process.exitCode = broken.length > 0 ? 1 : 0;
