// Mutation testing of the verdict and sequential files: `cd activities/analysis && npx stryker run stryker.config.mjs`.
// Fewer than 85 % killed is a failure. Part of it: `--mutate 'verdicts/run-gate*.ts'`.

// Every mutant meets every property: a few hundred cases each are enough here, the tests themselves take thousands.
process.env.RETEMPO_PROPERTY_RUNS ??= '100';

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'stryker.vitest.config.mjs', related: false },
  mutate: ['verdicts/**/*.ts', 'sequential/**/*.ts', '!**/*.test.ts', '!**/index.ts', '!**/*-types.ts'],
  ignorePatterns: ['dist', 'bench', 'reports', 'testdata/**/*.py', 'tsconfig.json'],
  // TypeScript 7 has no programming interface to rewrite a configuration with, and the tests need none.
  tsconfigFile: 'none',
  // A changed sentence breaks a snapshot; the sentences are not what is proven here, their numbers are.
  mutator: { excludedMutations: ['StringLiteral'] },
  coverageAnalysis: 'perTest',
  concurrency: 2,
  timeoutMS: 20_000,
  thresholds: { high: 95, low: 85, break: 85 },
  reporters: ['clear-text', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: 'reports/mutation.json' },
  tempDirName: '.stryker-tmp',
};
