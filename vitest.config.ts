import {defineConfig} from 'vitest/config'

// Time limits are bounds for what hangs, not measurements: a loaded machine must not fail a sound test.
const minute = 60_000

export default defineConfig({
  test: {
    reporters: ['default', ['json', {outputFile: 'build/test/report.json'}]],
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{proto,agent,fleet}/src/**/*.test.ts',
            'scripts/**/*.test.ts',
            'test/{simulation,support}/**/*.test.ts',
          ],
          testTimeout: minute,
          hookTimeout: minute,
          sequence: {groupOrder: 0},
        },
      },
      {
        // Root, loop devices, namespaces, real daemons: one file at a time, so that each may look for what it left behind.
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{simulation,support}/**', '**/node_modules/**'],
          testTimeout: 5 * minute,
          hookTimeout: 5 * minute,
          fileParallelism: false,
          sequence: {groupOrder: 1},
        },
      },
    ],
  },
})
