// How the tests run: real servers once per run, files side by side in processes of their own.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // The last one prints the last line.
    reporters: ['default', './test/support/counts-reporter.ts'],
    pool: 'forks',
    // Each worker keeps a core busy, and the servers want some too.
    maxWorkers: 2,
    // Far above what any test takes: a loaded machine is no failure, a hanging test is.
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // The clusters' directories go: a busy disk takes minutes for it.
    teardownTimeout: 300_000,
    expect: { poll: { timeout: 20_000 } },
  },
});
