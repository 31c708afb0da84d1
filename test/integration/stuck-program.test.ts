import {mkdir, open} from 'node:fs/promises'
import {attachLoop} from '@hearth/agent/host/loop'
import {ProgramStuckError, run} from '@hearth/agent/host/run'
import {describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {silentLog as log} from '../support/silent-log.ts'
import {makeTestDirectory} from '../support/test-directory.ts'

const signal = new AbortController().signal

describe.skipIf(unprivileged())('a program that is stuck in the kernel', () => {
  test('is given up, not awaited', async () => {
    const directory = await makeTestDirectory()
    const mountPoint = `${directory.path}/frozen`
    await mkdir(mountPoint)
    const image = await open(`${directory.path}/image`, 'w')
    await image.truncate(512 * 1024 ** 2)
    await image.close()
    await run(['mkfs.xfs', '-q', '-s', 'size=4096', `${directory.path}/image`], signal)
    await run(['mount', await attachLoop(`${directory.path}/image`, {run, log, signal}), mountPoint], signal)
    await run(['fsfreeze', '--freeze', mountPoint], signal)
    try {
      const cancel = new AbortController()
      const reason = new Error('deadline')
      const touching = run(['touch', `${mountPoint}/a`], cancel.signal).catch((error: unknown) => error)
      await waitUntilStuck(`${mountPoint}/a`)
      cancel.abort(reason)
      const error = await touching
      expect(error).toBeInstanceOf(ProgramStuckError)
      expect(error).toMatchObject({cause: reason, message: expect.stringContaining('touch')})
    } finally {
      await run(['fsfreeze', '--unfreeze', mountPoint], signal)
      await directory.remove()
    }
  })
})

/** Until a program with that argument sleeps where no signal wakes it (state D). */
const waitUntilStuck = async (argument: string): Promise<void> => {
  await expect
    .poll(async () => await run(['ps', '-eo', 'state=,args='], signal), {timeout: 20_000})
    .toMatch(new RegExp(`^D .*${argument}$`, 'm'))
}
