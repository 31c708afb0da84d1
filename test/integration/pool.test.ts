import {mkdir, open, readdir, readFile, writeFile} from 'node:fs/promises'
import {DiskSpaceError} from '@hearth/agent/host/disk-space'
import {attachLoop, findLoopDevice, listLoopDevices} from '@hearth/agent/host/loop'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {closePool, openPool, PoolContentError} from '@hearth/agent/host/pool'
import {hasReflink} from '@hearth/agent/host/reflink'
import {CommandError, type Run, run} from '@hearth/agent/host/run'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {silentLog as log} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

const signal = new AbortController().signal

describe.skipIf(unprivileged())('volume pool', () => {
  let directory: TestDirectory
  /** On a file system without reflink, whatever the temporary directory is on. */
  let stateDirectory: string
  beforeEach(async () => {
    directory = await makeTestDirectory()
    stateDirectory = `${directory.path}/plain/state`
    await mkdir(`${directory.path}/plain`)
    const image = await open(`${directory.path}/plain.img`, 'w')
    await image.truncate(4 * 1024 ** 3)
    await image.close()
    await run(['mkfs.xfs', '-q', '-s', 'size=4096', '-m', 'reflink=0', `${directory.path}/plain.img`], signal)
    const device = await attachLoop(`${directory.path}/plain.img`, {run, log, signal})
    await run(['mount', device, `${directory.path}/plain`], signal)
  })
  afterEach(async () => await directory.remove())

  const openIt = (more: {run?: Run} = {}) => openPool({stateDirectory, run, log, signal, ...more})
  const closeIt = () => closePool({stateDirectory, run, signal, busyWaitMs: 300})
  const mountPoints = async () => (await readMounts('self')).map(({mountPoint}) => mountPoint)
  const without =
    (program: string): Run =>
    async (argv, inner) => {
      if (argv[0] === program) throw new CommandError(argv, {exitCode: 1, stderr: 'planted'})
      return await run(argv, inner)
    }

  test('without reflink it is made in an image, once, and files of it can share blocks', async () => {
    const pool = await openIt()
    expect(pool).toEqual({kind: 'image', volumes: `${stateDirectory}/pool`})
    expect(await hasReflink(pool.volumes)).toBe(true)
    expect((await readdir(pool.volumes)).sort()).toEqual(['copies', 'epochs', 'generations'])
    await writeFile(`${pool.volumes}/kept`, 'x')
    await closeIt()
    expect(await mountPoints()).not.toContain(pool.volumes)
    expect(findLoopDevice(`${stateDirectory}/pool.img`)).toBeNull()
    await openIt()
    expect(await readFile(`${pool.volumes}/kept`, 'utf8')).toBe('x')
  })

  test('with reflink it is a directory', async () => {
    const {volumes} = await openIt()
    const inner = `${volumes}/inner`
    const pool = await openPool({stateDirectory: inner, run, log, signal})
    expect(pool).toEqual({kind: 'native', volumes: `${inner}/volumes`})
    await closePool({stateDirectory: inner, run, signal})
    expect((await readdir(pool.volumes)).sort()).toEqual(['copies', 'epochs', 'generations'])
  })

  test('images made in it have the extent sizes that keep clones fast', async () => {
    const {volumes} = await openIt()
    await writeFile(`${volumes}/copies/a.img`, '')
    const said = await run(['xfs_io', '-r', '-c', 'extsize', '-c', 'cowextsize', `${volumes}/copies/a.img`], signal)
    expect(said).toContain('[16777216]')
    expect(said).toContain('[4194304]')
  })

  test('an agent that restarted goes on with it, one loop device and one mount', async () => {
    const pool = await openIt()
    expect(await openIt()).toEqual(pool)
    expect((await mountPoints()).filter((each) => each === pool.volumes)).toHaveLength(1)
    const devices = listLoopDevices().filter(({file}) => file === `${stateDirectory}/pool.img`)
    expect(devices).toHaveLength(1)
  })

  test('a half-made image is made anew', async () => {
    await expect(openIt({run: without('mkfs.xfs')})).rejects.toThrow('planted')
    expect(await readdir(stateDirectory)).toEqual(['pool.img.part'])
    await openIt()
    expect(await readdir(stateDirectory)).not.toContain('pool.img.part')
  })

  test('one that was attached but not mounted is mounted', async () => {
    await expect(openIt({run: without('mount')})).rejects.toThrow('planted')
    expect(findLoopDevice(`${stateDirectory}/pool.img`)).not.toBeNull()
    await openIt()
    expect(listLoopDevices().filter(({file}) => file === `${stateDirectory}/pool.img`)).toHaveLength(1)
  })

  test('after a power loss it is mounted again, with all that was synced', async () => {
    const {volumes} = await openIt()
    const file = await open(`${volumes}/synced`, 'w')
    await file.write('x')
    await file.sync()
    await file.close()
    await run(['xfs_io', '-x', '-c', 'shutdown', volumes], signal)
    await closeIt()
    await openIt()
    expect(await readFile(`${volumes}/synced`, 'utf8')).toBe('x')
  })

  test('what is no pool is refused and left as it is', async () => {
    await mkdir(stateDirectory)
    await writeFile(`${stateDirectory}/pool.img`, 'holiday pictures')
    await expect(openIt()).rejects.toThrow(PoolContentError)
    expect(await readFile(`${stateDirectory}/pool.img`, 'utf8')).toBe('holiday pictures')
    expect(findLoopDevice(`${stateDirectory}/pool.img`)).toBeNull()
  })

  test('a foreign mount at its place is refused', async () => {
    await mkdir(`${stateDirectory}/pool`, {recursive: true})
    await run(['mount', '-t', 'tmpfs', 'someone', `${stateDirectory}/pool`], signal)
    await expect(openIt()).rejects.toMatchObject({name: 'PoolContentError', message: expect.stringContaining('tmpfs')})
  })

  test('one that is in use is not closed, and the message names by whom', async () => {
    const {volumes} = await openIt()
    const file = await open(`${volumes}/in-use`, 'w')
    await expect(closeIt()).rejects.toMatchObject({
      name: 'DeviceBusyError',
      message: expect.stringContaining(volumes),
    })
    await file.close()
    await closeIt()
  })

  test('one with an attached copy is not closed', async () => {
    const {volumes} = await openIt()
    await run(['truncate', '--size=1G', `${volumes}/copies/a.img`], signal)
    const device = await attachLoop(`${volumes}/copies/a.img`, {run, log, signal})
    await expect(closeIt()).rejects.toMatchObject({name: 'DeviceBusyError', message: expect.stringContaining(device)})
    expect(await mountPoints()).toContain(volumes)
  })

  test('a disk without room is said with its figures, and nothing is made', async () => {
    await run(['fallocate', '-l', String(3300 * 1024 ** 2), `${directory.path}/plain/big`], signal)
    const error = await openIt().catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(DiskSpaceError)
    expect(error).toMatchObject({neededBytes: 1024 ** 3, message: expect.stringContaining('1024 MiB needed')})
    expect(await readdir(stateDirectory)).toEqual([])
  })

  test('what is deleted in it is free on the disk again', async () => {
    const {volumes} = await openIt()
    const used = async () => {
      await run(['sync', '--file-system', volumes], signal) // else it happens with the next write of XFS's log, in 30 s
      return Number(await run(['stat', '--format=%b', `${stateDirectory}/pool.img`], signal)) * 512
    }
    await run(['xfs_io', '-f', '-c', 'pwrite -q -b 4m 0 512m', '-c', 'fsync', `${volumes}/copies/big`], signal)
    const before = await used()
    await run(['rm', `${volumes}/copies/big`], signal)
    await expect.poll(used, {timeout: 20_000}).toBeLessThan(before - 400 * 1024 ** 2)
  })
})
