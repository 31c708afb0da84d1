import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bringUp, hearthIn, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {startProgram} from '../support/program.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {hearthTraces} from '../support/traces.ts'

let directory: TestDirectory
let hung: ReturnType<typeof startProgram>
beforeEach(async () => {
  directory = await makeTestDirectory()
  const place = join(directory.path, 'hung')
  await mkdir(place)
  hung = await mountHung(place, directory)
})
afterEach(async () => {
  process.kill(-hung.pid, 'SIGKILL') // it is what does not answer: with its end every look at the mount fails at once
  await hung.ended
  await directory.remove()
})

/** A file system, mounted on this host, whose server never answers: every look at it hangs, also that of a plain umount. */
const mountHung = async (place: string, {environment}: TestDirectory): Promise<typeof hung> => {
  const mount = 'mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung "$0"'
  const script = `exec 3<>/dev/fuse; ${mount} && echo mounted && exec sleep 600`
  const program = startProgram('sh', ['-c', script, place], {environment: {...process.env, ...environment}})
  await program.said(/mounted/)
  return program
}

describe.skipIf(unprivileged())('a mount of the host that hangs', () => {
  it('is nothing to Hearth: it comes up, builds, detaches the cache and goes down', async () => {
    const hearth = hearthIn(directory)
    await bringUp(hearth, '--warm-idle', '0s')
    const traces = await hearthTraces(hearth.stateDir)
    const context = await makeContext(directory, 'web', ['RUN echo hello >/out'])
    for (const _ of ['on an empty cache', 'on the reattached one']) {
      const {code, stderr} = await hearth.run('build', context, '--project', 'web')
      expect(code, stderr).toBe(0)
    }
    expect((await hearth.run('down')).code).toBe(0)
    expect(await traces()).toEqual([])
  })
})
