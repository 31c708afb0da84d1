import {access, readFile} from 'node:fs/promises'
import {fileURLToPath} from 'node:url'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {startProgram} from '../support/program.ts'
import {sweepTestDirectories} from '../support/test-directory.ts'
import {hearthTraces} from '../support/traces.ts'

describe.skipIf(unprivileged())('test directories', () => {
  test('all that a killed run left is removed by the next', async () => {
    const {path, holder} = await killOnceReady<{path: string; holder: number}>(
      new URL('./leave-volumes.ts', import.meta.url),
    )
    expect(listLoopDevices().filter(({file}) => file.startsWith(path))).toHaveLength(2)
    await sweepTestDirectories()
    expect(listLoopDevices().filter(({file}) => file.startsWith(path))).toEqual([])
    expect((await readMounts('self')).filter(({mountPoint}) => mountPoint.startsWith(path))).toEqual([])
    expect(await readFile(`/proc/${holder}/cmdline`, 'utf8').catch(() => '')).toBe('') // gone, or a zombie of init
    await expect(access(path)).rejects.toThrow('ENOENT')
  })

  test('also a Hearth that was killed in mid-build', async () => {
    const {path, stateDir} = await killOnceReady<{path: string; stateDir: string}>(
      new URL('./leave-hearth.ts', import.meta.url),
    )
    const traces = await hearthTraces(stateDir)
    const before = (await traces.now()).join('\n')
    for (const kind of ['mount in', '/dev/loop', 'interface', 'table inet', 'cgroup', 'process', 'file'])
      expect(before).toContain(kind)
    await sweepTestDirectories()
    expect(await traces()).toEqual([])
    await expect(access(path)).rejects.toThrow('ENOENT')
  })
})

const killOnceReady = async <Said>(script: URL): Promise<Said> => {
  const program = startProgram(process.execPath, [fileURLToPath(script)], {environment: process.env})
  const line = await program.said(/^\{.*\}$/m)
  process.kill(program.pid, 'SIGKILL')
  await program.ended
  return JSON.parse(line) as Said
}
