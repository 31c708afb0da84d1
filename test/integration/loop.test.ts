import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {open as openFile, readFile} from 'node:fs/promises'
import {attachLoop, detachLoop, findLoopDevice, restoreFlushes} from '@hearth/agent/host/loop'
import {CommandError, type Run, run} from '@hearth/agent/host/run'
import type {Log} from '@hearth/proto/clock'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {silentLog} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

const signal = new AbortController().signal

describe.skipIf(unprivileged())('loop devices', () => {
  let directory: TestDirectory
  let file: string
  beforeEach(async () => {
    directory = await makeTestDirectory()
    file = `${directory.path}/my image (1)`
    const handle = await openFile(file, 'w')
    await handle.truncate(1024 ** 2)
    await handle.close()
  })
  afterEach(async () => await directory.remove())
  const attach = (more: {run?: Run; log?: Log} = {}) => attachLoop(file, {run, log: silentLog, signal, ...more})

  test('attaching again gives the same device', async () => {
    const device = await attach()
    expect(await attach()).toBe(device)
    await detachLoop(file, {run, signal})
    expect(findLoopDevice(file)).toBeNull()
  })

  test('one that a process has open is not detached, and the message names it', async () => {
    const device = await attach()
    const handle = await openFile(device, 'r')
    const holder = spawn('sleep', ['1000'], {
      stdio: [handle.fd, 'ignore', 'ignore'],
      env: {...process.env, ...directory.environment},
    })
    await handle.close()
    await expect(detachLoop(file, {run, signal, waitMs: 200})).rejects.toMatchObject({
      name: 'DeviceBusyError',
      message: expect.stringContaining(`process ${holder.pid} sleep (has it open)`),
    })
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await detachLoop(file, {run, signal})
    expect(findLoopDevice(file)).toBeNull()
  })

  test('one whose file was deleted is still found and detached', async () => {
    await attach()
    await run(['rm', file], signal)
    expect(findLoopDevice(file)).not.toBeNull()
    await detachLoop(file, {run, signal})
    expect(findLoopDevice(file)).toBeNull()
  })

  test('where direct I/O is refused it is attached without, and that is said', async () => {
    const warnings: string[] = []
    const log: Log = {...silentLog, warn: (_, message) => void warnings.push(message)}
    const refusing: Run = async (argv, inner) => {
      if (argv.includes('--direct-io=on')) throw new CommandError(argv, {exitCode: 1, stderr: 'Invalid argument'})
      return await run(argv, inner)
    }
    await attach({run: refusing, log})
    expect(warnings).toEqual(['no direct I/O under this loop device: its data is cached twice'])
  })

  describe('without flushes', () => {
    const flushes = async (device: string) =>
      (await readFile(`/sys/block/${device.slice('/dev/'.length)}/queue/write_cache`, 'utf8')) === 'write back\n'

    test('it has them again when it is detached, however soon, and for the next file', async () => {
      const device = await attachLoop(file, {run, log: silentLog, signal, flushes: false})
      await expect.poll(() => flushes(device)).toBe(false)
      await detachLoop(file, {run, signal})
      expect(await flushes(device)).toBe(true)
      const again = await attachLoop(file, {run, log: silentLog, signal, flushes: false})
      await detachLoop(file, {run, signal})
      expect(await flushes(again)).toBe(true)
    })

    test('one that somebody else took the file off gets them back', async () => {
      const device = await attachLoop(file, {run, log: silentLog, signal, flushes: false})
      await expect.poll(() => flushes(device)).toBe(false)
      await run(['losetup', '--detach', device], signal)
      expect(await flushes(device)).toBe(false)
      await restoreFlushes()
      expect(await flushes(device)).toBe(true)
    })
  })
})
