import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], options: object = {}) => ({
  test: {
    name,
    include,
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks' as const,
    hookTimeout: 120_000,
    // As in a model server: nothing of what tests load is told to anybody.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    ...options,
  },
});

export default defineConfig({
  test: {
    // One native Temporal runtime per process: tests run in forked processes, never in threads.
    pool: 'forks',
    // One more than the cores that are promised: most of the time of whole workflows is waiting.
    maxWorkers: 3,
    retry: 0,
    // In CI every run leaves a report that is counted at the end.
    reporters: process.env['CI']
      ? ['default', ['json', { outputFile: `reports/vitest-${process.pid}.json` }]]
      : ['default'],
    projects: [
      project('unit', ['{workflows,activities,workers,starters,cli,examples}/**/*.test.ts'], { testTimeout: 120_000 }),
      project('bundle', ['test/bundle/**/*.test.ts'], { testTimeout: 120_000 }),
      project('replay', ['test/replay/**/*.test.ts'], { testTimeout: 120_000 }),
      project('conformance', ['test/conformance/**/*.test.ts'], { testTimeout: 240_000 }),
      project('integration', ['test/integration/**/*.test.ts'], { testTimeout: 240_000 }),
      project('package', ['test/package/**/*.test.ts'], { testTimeout: 600_000, hookTimeout: 600_000 }),
      project('chaos', ['test/chaos/**/*.test.ts'], { testTimeout: 900_000 }),
    ],
  },
});
