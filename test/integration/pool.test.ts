import {mkdir, open, readdir, readFile, stat, statfs, truncate, writeFile} from 'node:fs/promises'
import {setTimeout} from 'node:timers/promises'
import {DiskSpaceError} from '@hearth/agent/host/disk-space'
import {attachLoop, findLoopDevice, listLoopDevices} from '@hearth/agent/host/loop'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {closePool, keepPool, openPool} from '@hearth/agent/host/pool'
import {PoolContentError} from '@hearth/agent/host/pool-places'
import {hasReflink} from '@hearth/agent/host/reflink'
import {CommandError, type Run, run} from '@hearth/agent/host/run'
import {openJournal} from '@hearth/agent/store/journal'
import {createLocalVolumes} from '@hearth/agent/volume/local'
import type {CopyId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {desired, first} from '../contract/volumes-rig.ts'
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

  const openIt = (more: {run?: Run; poolSizeBytes?: number} = {}) =>
    openPool({stateDirectory, run, log, signal, ...more})
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
    await openIt()
    await closeIt()
    await attachLoop(`${stateDirectory}/pool.img`, {run, log, signal})
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

  test('one that can not be mounted is said with the way out, is let go of so that it can be mended, and stays', async () => {
    await openIt()
    await closeIt()
    const image = `${stateDirectory}/pool.img`
    // the root directory's inode, which the kernel looks at first
    const at = Number(/ = (\d+)/.exec(await run(['xfs_db', '-r', '-c', 'sb 0', '-c', 'p rootino', image], signal))?.[1])
    await run(['xfs_db', '-x', '-c', `inode ${at}`, '-c', 'write -d core.magic 0', image], signal)
    const uuid = async () => await run(['xfs_db', '-r', '-c', 'sb 0', '-c', 'p uuid icount', image], signal)
    const before = await uuid()
    const error = await openIt().catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(PoolContentError)
    expect(error).toMatchObject({
      message: expect.stringMatching(
        /pool\.img can't be mounted: .*`xfs_repair .*pool\.img`.*`mv .*pool\.img\.broken`/,
      ),
    })
    expect(findLoopDevice(image)).toBeNull()
    expect(await uuid()).toBe(before)
    await run(['mv', image, `${image}.broken`], signal)
    expect(await readdir((await openIt()).volumes)).toContain('copies')
  })

  test('one that was cut off is refused, and not changed', async () => {
    await openIt()
    await closeIt()
    await run(['truncate', '--size=1G', `${stateDirectory}/pool.img`], signal)
    await expect(openIt()).rejects.toMatchObject({
      name: 'PoolContentError',
      message: expect.stringMatching(/pool\.img is cut off: it has 1073741824 bytes, its file system \d+/),
    })
    expect(findLoopDevice(`${stateDirectory}/pool.img`)).toBeNull()
  })

  const image = () => `${stateDirectory}/pool.img`
  const poolSize = async () => {
    const {bsize, blocks} = await statfs(`${stateDirectory}/pool`)
    return {file: (await stat(image())).size, fileSystem: bsize * blocks}
  }
  const gigabyte = 1e9
  /** The disk below the state directory gets larger by 2 GiB. */
  const growDisk = async () => {
    await truncate(`${directory.path}/plain.img`, 6 * 1024 ** 3)
    const device = findLoopDevice(`${directory.path}/plain.img`)?.device ?? ''
    await run(['losetup', '--set-capacity', device], signal)
    await run(['xfs_growfs', '-d', `${directory.path}/plain`], signal)
  }

  test('it grows with its disk, while it is used, and keeps room on it', async () => {
    const {volumes} = await openIt()
    const before = await poolSize()
    expect(before.file).toBeLessThan(3.95 * gigabyte)
    await openIt()
    expect(await poolSize()).toEqual(before)
    await growDisk()
    const file = await open(`${volumes}/in-use`, 'w')
    await openIt()
    await file.write('x')
    await file.close()
    const after = await poolSize()
    for (const which of ['file', 'fileSystem'] as const)
      expect(after[which]).toBeGreaterThan(before[which] + 1.8 * gigabyte)
    await closeIt()
    await openIt()
    expect(await poolSize()).toEqual(after)
    expect(await readFile(`${volumes}/in-use`, 'utf8')).toBe('x')
  })

  test.each(['losetup --set-capacity', 'xfs_growfs -d'])('killed before %s it goes on growing', async (act) => {
    await openIt()
    const before = await poolSize()
    await growDisk()
    const dying: Run = async (argv, inner) => {
      if (argv.join(' ').startsWith(act)) throw new CommandError(argv, {exitCode: 1, stderr: 'planted'})
      return await run(argv, inner)
    }
    await expect(openIt({run: dying})).rejects.toThrow('planted')
    await closeIt() // a reboot
    await openIt()
    expect((await poolSize()).fileSystem).toBeGreaterThan(before.fileSystem + 1.8 * gigabyte)
  })

  test('it grows by itself, and what fails then ends nothing', async () => {
    const pool = await openIt()
    const before = await poolSize()
    await growDisk()
    const stop = new AbortController()
    let fails = 1
    const failing: Run = async (argv, inner) => {
      if (argv[0] === 'xfs_growfs' && fails-- > 0) throw new CommandError(argv, {exitCode: 1, stderr: 'planted'})
      return await run(argv, inner)
    }
    const sleep = async (ms: number, inner: AbortSignal) => await setTimeout(ms, undefined, {signal: inner})
    const kept = keepPool(pool, {stateDirectory, run: failing, log}, {sleep, everyMs: 20}, stop.signal)
    const grown = async () => (await poolSize()).fileSystem
    await expect.poll(grown, {timeout: 10_000}).toBeGreaterThan(before.fileSystem + 1.8 * gigabyte)
    stop.abort()
    await kept
  })

  test('its size is limited by what is set, raised later without loss, and never made smaller', async () => {
    const {volumes} = await openIt({poolSizeBytes: 1.5 * gigabyte})
    const small = await poolSize()
    expect(small.file).toBeLessThanOrEqual(1.5 * gigabyte)
    await writeFile(`${volumes}/kept`, 'x')
    await openIt({poolSizeBytes: 3 * gigabyte})
    const large = await poolSize()
    expect(large.file).toBeGreaterThan(2.9 * gigabyte)
    expect(large.fileSystem).toBeGreaterThan(small.fileSystem + 1.4 * gigabyte)
    await openIt({poolSizeBytes: 1.5 * gigabyte})
    expect(await poolSize()).toEqual(large)
    expect(await readFile(`${volumes}/kept`, 'utf8')).toBe('x')
  })

  test('one that is full leaves room on the disk: for the journal, and for whatever else is there', async () => {
    const {volumes} = await openIt()
    const filling = run(['dd', 'if=/dev/zero', `of=${volumes}/copies/all`, 'bs=4M', 'oflag=direct'], signal)
    await expect(filling).rejects.toThrow(CommandError)
    const disk = await statfs(stateDirectory)
    expect(disk.bavail * disk.bsize).toBeGreaterThan(0.2 * gigabyte)
    const journal = openJournal(`${stateDirectory}/agent.db`)
    journal.setFact('still', 'written')
    journal.close()
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

  test('what is deleted in it is free on the disk again, at once', async () => {
    const {volumes} = await openIt()
    const big = `${volumes}/copies/big.img`
    const used = async () => (await stat(`${stateDirectory}/pool.img`)).blocks * 512
    await run(['xfs_io', '-f', '-c', 'pwrite -q -b 4m 0 512m', '-c', 'fsync', big], signal)
    const before = await used()
    await createLocalVolumes({directory: volumes, run, log}).deleteCopy('big' as CopyId, signal)
    expect(await used()).toBeLessThan(before - 400 * 1024 ** 2)
  })

  test('a copy in it that could not be synced when it was detached is off its device, and that is said', async () => {
    const {volumes: directory} = await openIt()
    const copy = 'c0ffee00-0000-4000-8000-000000000001' as CopyId
    const volumes = createLocalVolumes({directory, run, log})
    await volumes.create(desired(copy, {sizeBytes: 320 * 1024 ** 2}), signal)
    await volumes.attach(first(copy), signal)
    await run(['xfs_io', '-x', '-c', 'shutdown', directory], signal)
    const error = await volumes.detach(copy, signal).catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      name: 'VolumeWriteError',
      message: expect.stringMatching(/^what was written to copy c0ffee.* may not be on the disk: EIO/),
    })
    expect(await volumes.list(signal)).toEqual([])
  })
})
