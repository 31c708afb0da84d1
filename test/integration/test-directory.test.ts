import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {access, readFile} from 'node:fs/promises'
import {createInterface} from 'node:readline/promises'
import {fileURLToPath} from 'node:url'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {sweepTestDirectories} from '../support/test-directory.ts'

describe.skipIf(unprivileged())('test directories', () => {
  test('all that a killed run left is removed by the next', async () => {
    const program = fileURLToPath(new URL('./leave-volumes.ts', import.meta.url))
    const child = spawn(process.execPath, [program], {stdio: ['ignore', 'pipe', 'inherit']})
    const ended = once(child, 'exit')
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const {path, holder} = JSON.parse(line) as {path: string; holder: number}
    child.kill('SIGKILL')
    await ended
    expect((await listLoopDevices()).filter(({file}) => file.startsWith(path))).toHaveLength(2)
    await sweepTestDirectories()
    expect((await listLoopDevices()).filter(({file}) => file.startsWith(path))).toEqual([])
    expect((await readMounts('self')).filter(({mountPoint}) => mountPoint.startsWith(path))).toEqual([])
    expect(await readFile(`/proc/${holder}/cmdline`, 'utf8').catch(() => '')).toBe('') // gone, or a zombie of init
    await expect(access(path)).rejects.toThrow('ENOENT')
  })
})
