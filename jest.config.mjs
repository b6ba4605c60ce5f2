import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Three tiers: `unit` (pure), `runtime` (real onnxruntime in this process), `e2e` (the built service over HTTP). */
const shared = {
  rootDir: fileURLToPath(new URL('.', import.meta.url)),
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/dist'],
};

export default {
  // Tests of a service wait for it more than they compute, and each service takes half a gigabyte.
  maxWorkers: Math.min(availableParallelism(), 4),
  testSequencer: '<rootDir>/scripts/longest-first.mjs',
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    {
      ...shared,
      displayName: 'runtime',
      testMatch: ['<rootDir>/test/conformance/**/*.test.ts', '<rootDir>/test/runtime/**/*.test.ts'],
      testEnvironment: '<rootDir>/test/onnxruntime-environment.mjs',
    },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.test.ts'] },
  ],
  reporters: ['default', '<rootDir>/scripts/summary-reporter.mjs'],
};
