/** What is read of vitest's JSON report. */
export type Report = {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages?: readonly string[] | null
    }[]
  }[]
}

export type Summary = {readonly line: string; readonly reasons: readonly string[]; readonly exitStatus: number}

/** Of a failure's message, in characters: enough of what was wanted and seen, in a log of which only the end is kept. */
const longestMessage = 600

/**
 * Counts what a test run did. A file that failed to load, or failed outside of its tests, counts as one failed, and so
 * does a run that ended badly (`exitStatus`, vitest's own) without a failed test, or that ran no test at all.
 */
export const summarize = (report: Report | null, exitStatus: number): Summary => {
  const files = report?.testResults ?? []
  const statuses = files.flatMap((file) => file.assertionResults.map((test) => test.status))
  const count = (wanted: readonly string[]) => statuses.filter((status) => wanted.includes(status)).length
  const passed = count(['passed'])
  const skipped = count(['skipped', 'pending', 'todo', 'disabled'])
  const brokenFiles = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  const reasons = [
    ...brokenFiles.map((file) => `failed outside of its tests: ${file.name}`),
    ...files.flatMap((file) =>
      file.assertionResults
        .filter((test) => test.status === 'failed')
        .map((test) => `failed: ${file.name} > ${test.fullName}: ${messageOf(test.failureMessages)}`),
    ),
  ]
  let failed = statuses.length - passed - skipped + brokenFiles.length
  if (failed === 0 && passed === 0) reasons.push('no test ran')
  else if (failed === 0 && exitStatus !== 0) reasons.push(`no test failed, but vitest ended with ${exitStatus}`)
  if (failed === 0 && reasons.length > 0) failed = 1
  return {
    line: `${passed} passed, ${failed} failed, ${skipped} skipped`,
    reasons,
    exitStatus: exitStatus === 0 && failed > 0 ? 1 : exitStatus,
  }
}

const messageOf = (messages: readonly string[] | null | undefined): string => {
  const [first = ''] = (messages ?? []).join('\n').split(/\n\s+at /) // without its stack
  return first.length > longestMessage ? `${first.slice(0, longestMessage)}…` : first
}
