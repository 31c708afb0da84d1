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
        // Root, loop devices, namespaces, real daemons. Each file looks only for what it left behind itself; most wait more than they
        // work, so two run at a time.
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{simulation,support,chaos}/**', '**/node_modules/**'],
          testTimeout: 5 * minute,
          hookTimeout: 5 * minute,
          maxWorkers: 2,
          sequence: {groupOrder: 1},
        },
      },
      {
        // What has to be quick enough, by a promise.
        test: {
          name: 'alone',
          include: ['test/chaos/**/*.test.ts'],
          testTimeout: 5 * minute,
          hookTimeout: 5 * minute,
          fileParallelism: false,
          sequence: {groupOrder: 2},
        },
      },
    ],
  },
})
