import {randomUUID} from 'node:crypto'
import {createSparse} from '@hearth/agent/host/image'
import {attachLoop, detachLoop} from '@hearth/agent/host/loop'
import {type Run, run} from '@hearth/agent/host/run'
import {makeXfs} from '@hearth/agent/host/xfs'
import type {BuilderId} from '@hearth/proto/ids'
import {describe, expect, test} from 'vitest'
import {openAt} from '../contract/real-runtime-rig.ts'
import {specOf} from '../contract/runtime-rig.ts'
import {type ClientBuild, makeBuildClient} from '../support/build-client.ts'
import {makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {silentLog as log} from '../support/silent-log.ts'
import {makeTestDirectory} from '../support/test-directory.ts'
import {tools} from '../support/tools.ts'

const signal = new AbortController().signal

describe.skipIf(unprivileged())('a client that comes while its builder is told to end', () => {
  test('does not keep it from ending in order', async () => {
    const directory = await makeTestDirectory()
    const image = `${directory.path}/image`
    await createSparse(image, 2 * 1024 ** 3)
    await makeXfs(image, {reflink: false, run, signal})
    const context = await makeContext(directory, 'hangs', ['RUN echo begun && sleep 600'])
    const client = makeBuildClient(directory, tools.buildctl)
    const late: ClientBuild[] = []
    /** As soon as the connections have been ended, there is another. */
    const runAndComeAgain: Run = async (argv, inner) => {
      const said = await run(argv, inner)
      if (argv[0] === 'ss' && late.length === 0) late.push(await build())
      return said
    }
    const runtime = await openAt(`${directory.path}/run`, {run: runAndComeAgain})
    const builder = `test-${randomUUID().slice(0, 13)}` as BuilderId
    const started = await runtime.start(specOf(builder, await attachLoop(image, {run, log, signal})), signal)
    const build = async (): Promise<ClientBuild> => {
      const [certificate] = await runtime.certify(builder, [client.publicKey], signal)
      const begun = await client.build({...started, certificatePem: certificate?.certificatePem ?? ''}, context)
      await begun.says('begun\n')
      return begun
    }
    try {
      const first = await build()
      await runtime.stop(builder, 60_000, signal)
      expect((await first.ended).code).toBe(1)
      expect((await late[0]?.ended)?.code).toBe(1)
      const exit = {lockGone: true, synced: true, unmounted: true}
      expect(await runtime.list(new Set(), signal)).toMatchObject([{running: false, exit}])
      await runtime.remove(builder, signal)
      await detachLoop(image, {run, signal})
      await runtime.release(signal)
    } finally {
      await directory.remove()
    }
  })
})
