// Two suites: `unit` runs the page's modules alone; `browser` drives the built page in Chromium against the real node.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'], environment: 'node' } },
      {
        test: {
          name: 'browser',
          include: ['test/*.test.mjs'],
          // One after the other, on one station: a test that failed leaves nothing for the next to stand on.
          bail: 1,
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
