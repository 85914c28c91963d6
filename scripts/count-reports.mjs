// Adds up the reports of Vitest and of the demo and prints one line: `N passed, N failed[, N skipped]`.
// Usage: node scripts/count-reports.mjs <folder> <failed steps>
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = 'reports', failedSteps = '0'] = process.argv.slice(2);
const total = { passed: 0, failed: Number(failedSteps), skipped: 0 };
const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
for (const name of names) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const { numPassedTests, numFailedTests, numPendingTests = 0, numTodoTests = 0, testResults } = report;
  if (numPassedTests === undefined) {
    total.passed += report.passed ?? 0;
    total.failed += report.failed ?? 0;
    total.skipped += report.skipped ?? 0;
    continue;
  }
  total.passed += numPassedTests;
  total.failed += numFailedTests;
  total.skipped += numPendingTests + numTodoTests;
  // A file that fails before its first test counts too.
  total.failed += testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0
  ).length;
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
