import {expect, test} from 'vitest'
import {type Report, summarize} from './summarize.ts'

const file = (status: string, ...tests: string[]): Report['testResults'][number] => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map((test) => ({status: test, fullName: test})),
})

test('counts passed, failed and skipped tests', () => {
  const report = {
    testResults: [file('failed', 'passed', 'failed', 'skipped'), file('passed', 'passed', 'todo', 'pending')],
  }
  const {line, exitStatus} = summarize(report, 1)
  expect({line, exitStatus}).toEqual({line: '2 passed, 1 failed, 3 skipped', exitStatus: 1})
})

test('what failed is named, with the beginning of its message and without the stack', () => {
  const failed = {status: 'failed', fullName: 'a > does b', failureMessages: [`${'x'.repeat(700)}\n    at b.ts:1:1`]}
  const short = {status: 'failed', fullName: 'a > does c', failureMessages: ['Error: no\nmore\n    at c.ts:1:1']}
  const report = {testResults: [{...file('failed'), assertionResults: [failed, short]}]}
  expect(summarize(report, 1).reasons).toEqual([
    `failed: a.test.ts > a > does b: ${'x'.repeat(600)}…`,
    'failed: a.test.ts > a > does c: Error: no\nmore',
  ])
})

test('a run without failures ends with 0', () => {
  const summary = summarize({testResults: [file('passed', 'passed')]}, 0)
  expect(summary).toEqual({line: '1 passed, 0 failed, 0 skipped', reasons: [], exitStatus: 0})
})

test('a file that could not be loaded counts as failed', () => {
  const summary = summarize({testResults: [file('passed', 'passed'), file('failed')]}, 1)
  expect(summary).toMatchObject({line: '1 passed, 1 failed, 0 skipped', exitStatus: 1})
  expect(summary.reasons).toEqual(['failed outside of its tests: a.test.ts'])
})

test('a hook that failed after its tests counts as failed, even if vitest ended with 0', () => {
  const summary = summarize({testResults: [file('failed', 'passed')]}, 0)
  expect(summary).toMatchObject({line: '1 passed, 1 failed, 0 skipped', exitStatus: 1})
})

test.each([
  ['no report', null],
  ['no file', {testResults: []}],
  ['only skipped tests', {testResults: [file('passed', 'skipped')]}],
])('%s fails', (_, report) => {
  expect(summarize(report, 0)).toMatchObject({reasons: ['no test ran'], exitStatus: 1})
  expect(summarize(report, 0).line).toContain('1 failed')
})

test('an error outside of all files counts as failed', () => {
  const summary = summarize({testResults: [file('passed', 'passed')]}, 1)
  expect(summary).toMatchObject({line: '1 passed, 1 failed, 0 skipped', exitStatus: 1})
})
