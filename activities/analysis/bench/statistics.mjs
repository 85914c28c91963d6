// Prints the table of simulations. `--short`: 1,000 trials a row instead of 10,000; `--json`: rows as JSON lines;
// `--trials <n>`, `--seed <n>`, `--only <part of a module name>`. Exit code 1 when a limit does not hold.
import { readdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    trials: { type: 'string' },
    seed: { type: 'string', default: '20261121' },
    only: { type: 'string', default: '' },
  },
});
const trials = Number(values.trials ?? (values.short ? 1_000 : 10_000));
const seed = Number(values.seed);
const folder = new URL('../dist/bench/', import.meta.url);
const files = (await readdir(folder)).filter((name) => name.endsWith('.js') && !name.includes('.test.')).sort();

const percent = (share) => `${(share * 100).toFixed(2)} %`;
const isShare = (row) => row.quantity.startsWith('P(');
const shown = (row, value) => (isShare(row) ? percent(value) : String(Number(value.toPrecision(4))));
const limitText = (row) =>
  row.limit === null ? '' : `${row.limit.kind === 'atMost' ? '<=' : '>='} ${shown(row, row.limit.value)}`;

let failures = 0;
for (const file of files) {
  if (!file.includes(values.only)) continue;
  const module = await import(new URL(file, folder).href);
  if (typeof module.run !== 'function') continue;
  const started = performance.now();
  const rows = module.run({ trials, seed });
  const tookMs = Math.round(performance.now() - started);
  failures += rows.filter((row) => !row.pass).length;
  if (values.json) {
    for (const row of rows) console.log(JSON.stringify(row));
    continue;
  }
  console.log(`\n${file.replace(/\.js$/, '')}: ${trials} trials, seed ${seed}, ${tookMs} ms`);
  let before = '';
  for (const row of rows) {
    const heading = `${row.simulation}: ${row.setting}`;
    if (heading !== before) console.log(`  ${heading}`);
    before = heading;
    const verdict = row.limit === null ? '      ' : row.pass ? 'ok    ' : 'BROKEN';
    const measured = `${shown(row, row.measured)} +- ${shown(row, row.monteCarloError)}`;
    console.log(
      `    ${verdict} ${measured.padEnd(22)} ${limitText(row).padEnd(12)} ${row.quantity} (${row.rule}; ${row.trials} trials)`
    );
  }
}
if (!values.json) console.log(failures === 0 ? '\nevery limit holds' : `\n${failures} limits do not hold`);
process.exitCode = failures === 0 ? 0 : 1;
