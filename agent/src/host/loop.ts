import {constants, existsSync, readdirSync, readFileSync} from 'node:fs'
import {open, readFile, writeFile} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Log} from '@hearth/proto/clock'
import {deviceHolders} from './device-holders.ts'
import {CommandError, type Run} from './run.ts'

/** A loop device with a file behind it; `number` is `major:minor`. `file` is its path even after it was deleted. */
export type LoopDevice = {readonly device: string; readonly number: string; readonly file: string}

/** Something still uses the block device; the message names it. */
export class DeviceBusyError extends Error {
  override readonly name = 'DeviceBusyError'
}

/** Every loop device that has a file behind it, by sysfs only: no device and no file is touched (`losetup -a` would hang on a stuck one). */
export const listLoopDevices = (): readonly LoopDevice[] =>
  readdirSync('/sys/block')
    .filter((name) => /^loop\d+$/.test(name) && existsSync(`/sys/block/${name}/loop`))
    .flatMap((name) => readLoopDevice(name) ?? [])

/** The loop device that has this file behind it, null if none has. `file` is the absolute path without symbolic links. */
export const findLoopDevice = (file: string): LoopDevice | null =>
  listLoopDevices().find((device) => device.file === file) ?? null

/**
 * Puts a loop device on the file and returns its path; on one that has a device already, returns that. Direct I/O, or else a warning
 * and buffered I/O: then data is cached twice. Sectors are always 4096 bytes, so that a file system made on it mounts on every clone.
 * `flushes` false: the file is not synced when whoever uses the device syncs; who detaches it has to.
 */
export const attachLoop = async (
  file: string,
  {run, log, signal, flushes = true}: {run: Run; log: Log; signal: AbortSignal; flushes?: boolean},
): Promise<string> => {
  const existing = findLoopDevice(file)
  if (existing) return existing.device
  const device = await losetup(file, {run, signal})
  const set = setFlushes(device, flushes)
  if (flushes) await set // else nobody waits: it takes the kernel 20 ms, and is as good a little later
  const directIo = await readFile(`/sys/block/${device.slice('/dev/'.length)}/loop/dio`, 'utf8')
  if (directIo.trim() !== '1')
    log.warn({file, device}, 'no direct I/O under this loop device: its data is cached twice')
  return device
}

/**
 * A device with `write through` has no cache that could be flushed, says the kernel (Documentation/ABI/stable/sysfs-block), and drops all
 * flushes. It says so of this number even for the next file; where it takes no word on it, there are flushes.
 */
const setFlushes = async (device: string, flushes: boolean): Promise<void> => {
  const wanted = flushes ? 'write back' : 'write through'
  const knob = `/sys/block/${device.slice('/dev/'.length)}/queue/write_cache`
  const set = async () => {
    if ((await readFile(knob, 'utf8')).trim() !== wanted) await writeFile(knob, wanted)
  }
  const last = (settings.get(device) ?? Promise.resolve()).then(set).catch(() => undefined)
  settings.set(device, last)
  await last
  if (settings.get(device) === last) settings.delete(device)
}

/** What is being said of a device: one after the other, so that the last word holds. */
const settings = new Map<string, Promise<void>>()

/** Gives devices without a file their flushes back, which they lack if another than `detachLoop` took a file off. */
export const restoreFlushes = async (): Promise<void> => {
  for (const name of readdirSync('/sys/block'))
    if (/^loop\d+$/.test(name) && !existsSync(`/sys/block/${name}/loop`)) await setFlushes(`/dev/${name}`, true)
}

const losetup = async (file: string, {run, signal}: {run: Run; signal: AbortSignal}): Promise<string> => {
  const find = ['--sector-size', '4096', '--find', '--show', file] as const
  try {
    return (await run(['losetup', '--direct-io=on', ...find], signal)).trim()
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return (await run(['losetup', ...find], signal)).trim() // where the file system has no direct I/O some kernels refuse
  }
}

/**
 * Takes the loop device off the file; nothing to do is success. Done means proven: nobody had the device exclusively (a mount, in
 * whatever namespace, has), and it is gone from sysfs, which happens only at its last close. `losetup -d` returns 0 in any case.
 * Throws `DeviceBusyError` if that is not so within `waitMs`: the end of a namespace frees its mounts a little later.
 */
export const detachLoop = async (
  file: string,
  {run, signal, waitMs = 5000}: {run: Run; signal: AbortSignal; waitMs?: number},
): Promise<void> => {
  const deadline = performance.now() + waitMs
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const attached = findLoopDevice(file)
    if (!attached) return
    if (await opensExclusively(attached.device)) {
      await setFlushes(attached.device, true)
      await run(['losetup', '--detach', attached.device], signal)
      if (!findLoopDevice(file)) return
    }
    if (performance.now() + pauseMs > deadline) throw await busy(attached)
    await sleep(pauseMs, undefined, {signal})
  }
}

/** True if no one has the block device mounted or claimed it otherwise. Reads nothing of it. */
export const opensExclusively = async (device: string): Promise<boolean> => {
  try {
    const handle = await open(device, constants.O_RDONLY | constants.O_EXCL)
    await handle.close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EBUSY') return false
    throw error
  }
}

const busy = async ({device, number, file}: LoopDevice): Promise<DeviceBusyError> => {
  const holders = await deviceHolders({device, number})
  const named = holders.length > 0 ? holders.join(', ') : 'no process that /proc shows: a namespace that is kept alive'
  return new DeviceBusyError(`${device} (${file}) is in use by ${named}`)
}

/** Null if it was taken off since it was listed (ENOENT, ENXIO or ENODEV). */
const readLoopDevice = (name: string): LoopDevice | null => {
  try {
    const file = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8')
    const number = readFileSync(`/sys/block/${name}/dev`, 'utf8').trim()
    return {device: `/dev/${name}`, number, file: file.replace(/\n$/, '').replace(/ \(deleted\)$/, '')}
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENXIO', 'ENODEV'].includes(String(error.code)))
      return null
    throw error
  }
}
