// Decile counts and moments of one column of 1e7 doubles: binValues (typed array), DuckDB SQL, and a naive loop, in the
// same process and on the same values. Prints CPU seconds and ratios; `--values <n>`, `--repeats <n>`.
// Run after `npm run build`. DuckDB is a devDependency of the repository root, not of this package.
import { parseArgs } from 'node:util';
import { DuckDBInstance, DOUBLE } from '@duckdb/node-api';
import { binValues, decileEdges, psi } from '../dist/index.js';
import { createRandom } from '../dist/random.js';

const { values: options } = parseArgs({
  options: { values: { type: 'string', default: '10000000' }, repeats: { type: 'string', default: '5' } },
});
const n = Number(options.values);
const repeats = Number(options.repeats);
const random = createRandom(20_261_121);
const values = Float64Array.from({ length: n }, () => random.normal());
const edges = decileEdges(Float64Array.from({ length: 100_000 }, () => random.normal()));
const expectedShare = new Float64Array(10).fill(1000);

const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
await connection.run('create table column_of_doubles(x double)');
const appender = await connection.createAppender('column_of_doubles');
for (const value of values) {
  appender.appendValue(value, DOUBLE);
  appender.endRow();
}
appender.closeSync();
const list = [...edges].join(', ');
const sql = `select histogram(x, [${list}]) as counts, avg(x) as mean, var_pop(x) * count(*) as squares
  from column_of_doubles where isfinite(x)`;

const naive = () => {
  const counts = Array.from({ length: edges.length + 1 }, () => 0);
  for (const value of values) {
    const bin = edges.findIndex((edge) => value <= edge);
    counts[bin === -1 ? edges.length : bin]++;
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  return { counts, mean, squares: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) };
};
const typed = () => {
  const { counts, mean, squaredDeviations } = binValues({ values, edges });
  return { counts: [...counts], mean, squares: squaredDeviations };
};
const duckdb = async () => {
  const reader = await connection.runAndReadAll(sql);
  const [row] = reader.getRowObjects();
  return { counts: row.counts.entries.map(({ value }) => Number(value)), mean: row.mean, squares: row.squares };
};

const measure = async (run) => {
  const cpuSeconds = [];
  let result;
  for (let i = 0; i < repeats; i++) {
    const before = process.cpuUsage();
    result = await run();
    const { user, system } = process.cpuUsage(before);
    cpuSeconds.push((user + system) / 1e6);
  }
  return { result, seconds: cpuSeconds.sort((a, b) => a - b)[Math.floor(repeats / 2)] };
};

const runs = { binValues: typed, 'DuckDB SQL': duckdb, 'naive loop': naive };
const measured = {};
for (const [name, run] of Object.entries(runs)) measured[name] = await measure(run);
const own = measured['binValues'];
console.log(`${n} doubles, 9 decile edges, counts + mean + variance; median of ${repeats}, CPU seconds of the process`);
for (const [name, { result, seconds }] of Object.entries(measured)) {
  const index = psi({ reference: expectedShare, current: result.counts }).value;
  const speed = `${(n / seconds / 1e6).toFixed(0)} Mvalues per CPU-second`;
  console.log(
    `${name.padEnd(11)} ${seconds.toFixed(3)} s  ${speed.padEnd(28)} ${(seconds / own.seconds).toFixed(2)} x binValues  PSI ${index.toExponential(3)}`
  );
  const same = result.counts.length === 10 && result.counts.every((count, i) => count === own.result.counts[i]);
  const close =
    Math.abs(result.mean - own.result.mean) < 1e-9 && Math.abs(result.squares / own.result.squares - 1) < 1e-9;
  if (!same || !close)
    throw new Error(`${name} disagrees: ${JSON.stringify(result)} instead of ${JSON.stringify(own.result)}`);
}
const share = own.seconds / measured['DuckDB SQL'].seconds;
process.send?.({
  rows: [{ what: 'CPU of the same in DuckDB SQL', value: share, unit: 'x', mark: 0.25, kind: 'shown' }],
});
connection.closeSync();
instance.closeSync();
