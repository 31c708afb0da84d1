/**
 * Why tests that need root on Linux can't run here, null if they can. In CI that is a failure, elsewhere a skip that says so:
 * `describe.skipIf(unprivileged())`.
 */
export const unprivileged = (): string | null => {
  if (process.platform === 'linux' && process.getuid?.() === 0) return null
  const reason = 'needs root on Linux'
  if (process.env['CI']) throw new Error(`this test ${reason}, and CI must not skip it`)
  process.stderr.write(`skipped: ${reason}\n`)
  return reason
}
