// What importing the package costs: milliseconds of `import()` in fresh processes, CPU and wall; `--repeats <n>`.
// The CPU time says what the package costs, the wall time also what else the machine does.
// Run after `npm run build`.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { repeats: { type: 'string', default: '15' } } });
const entry = import.meta.resolve('@retempo/analysis');
const code = `const [wall, cpu] = [performance.now(), process.cpuUsage()]; await import('${entry}');
const { user, system } = process.cpuUsage(cpu); console.log((user + system) / 1e3, performance.now() - wall);`;
const runs = Array.from({ length: Number(values.repeats) }, () =>
  execFileSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' }).split(' ').map(Number)
);
const column = (index) => runs.map((run) => run[index]).sort((a, b) => a - b);
const shown = (times) => `median ${times[(times.length - 1) >> 1].toFixed(1)}, least ${times[0].toFixed(1)}`;
console.log(
  `import of @retempo/analysis, ${runs.length} processes: CPU ms ${shown(column(0))}; wall ms ${shown(column(1))}`
);
