import {mkdir, readlink} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import {dropLateMounts} from '@hearth/agent/builder/late-mounts'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {run} from '@hearth/agent/host/run'
import {describe, expect, it} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {startProgram} from '../support/program.ts'
import {makeTestDirectory} from '../support/test-directory.ts'

describe.skipIf(unprivileged())('late mounts', () => {
  it('leave a namespace that copied them, with all below them; what is needed stays', async () => {
    const signal = AbortSignal.timeout(30_000)
    const directory = await makeTestDirectory()
    const [late, below, state] = ['late', 'late/below', 'state'].map((name) => `${directory.path}/${name}`)
    for (const place of [late, below, state] as string[]) {
      await mkdir(place)
      await run(['mount', '-t', 'tmpfs', 'late-mounts', place], signal)
    }
    const environment = {...process.env, ...directory.environment}
    const {pid} = startProgram('unshare', ['--mount', 'sleep', '600'], {environment})
    const own = await readlink('/proc/self/ns/mnt')
    while ((await readlink(`/proc/${pid}/ns/mnt`)) === own) await sleep(2, undefined, {signal})

    await dropLateMounts({pid, needed: ['/usr/sbin/nothing'], runtimeDir: `${state}/run`}, run, signal)
    const left = async (of: number | 'self') =>
      (await readMounts(of)).map(({mountPoint}) => mountPoint).filter((point) => point.startsWith(directory.path))
    expect(await left(pid)).toEqual([state])
    expect(await left('self')).toEqual([late, below, state])
    expect((await readMounts(pid)).map(({mountPoint}) => mountPoint)).toEqual(expect.arrayContaining(['/', '/proc']))
    await dropLateMounts({pid, needed: [], runtimeDir: `${state}/run`}, run, signal)
    await directory.remove()
  })
})
