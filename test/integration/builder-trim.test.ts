import {stat} from 'node:fs/promises'
import {cgroupHierarchies, cgroupProcesses} from '@hearth/agent/host/cgroup'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {run} from '@hearth/agent/host/run'
import {describe, expect, it} from 'vitest'
import {makeRealRuntimeRig} from '../contract/real-runtime-rig.ts'
import {startOne} from '../contract/runtime-rig.ts'
import {unprivileged} from '../support/privileged.ts'

const signal = new AbortController().signal
const megabytes = 1_000_000

describe.skipIf(unprivileged())('a volume that has been freed of much', () => {
  it('gives it back to the disk while its builder runs, and nobody else sees the volume for it', async () => {
    const rig = await makeRealRuntimeRig()
    try {
      const runtime = await rig.open()
      const {builder, device} = await startOne({rig, runtime})
      const image = listLoopDevices().find((each) => each.device === device)?.file ?? ''
      const used = async () => (await stat(image)).blocks * 512
      const [pid] = cgroupProcesses(cgroupHierarchies(await readMounts('self')), builder, 'daemon')
      const inside = async (...words: readonly string[]) =>
        await run(['nsenter', `--mount=/proc/${pid}/ns/mnt`, ...words], signal)
      const before = await used()
      await inside('dd', 'if=/dev/urandom', 'of=/run/cache/junk', 'bs=1M', 'count=200', 'conv=fsync', 'status=none')
      await inside('rm', '/run/cache/junk')
      await inside('sync', '--file-system', '/run/cache')
      expect(await used()).toBeGreaterThan(before + 150 * megabytes)
      const trimmed = async () => {
        await runtime.trim(builder, signal) // what is just being freed is skipped, and found by the next one
        return await used()
      }
      await expect.poll(trimmed, {timeout: 20_000}).toBeLessThan(before + 50 * megabytes)
      await runtime.stop(builder, 30_000, signal)
      expect(await rig.isFree(device)).toBe(true)
      await runtime.trim(builder, signal) // of one that does not run: nothing to do
      await runtime.remove(builder, signal)
    } finally {
      await rig.close()
    }
  })
})
