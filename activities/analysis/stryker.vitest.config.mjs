import { defineConfig } from 'vitest/config';

// Only the tests of what is mutated: the simulations take minutes and add nothing that the unit tests do not kill.
// RETEMPO_MUTATION_TESTS narrows them to the tests of a part (a glob), for a part of the files.
const tests = process.env.RETEMPO_MUTATION_TESTS;

// Reference rows, oracle values, bad input and the ends of the doubles, of all functions.
const values = '{reference,oracle,bad-input,extremes}.test.ts';

export default defineConfig({
  test: {
    include: tests === undefined ? ['verdicts/**/*.test.ts', 'sequential/**/*.test.ts', values] : [tests],
    exclude: ['**/node_modules/**', 'dist/**'],
    testTimeout: 60_000,
  },
});
