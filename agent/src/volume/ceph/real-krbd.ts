import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import {DeviceBusyError} from '../../host/loop.ts'
import {isThere} from '../../host/program.ts'
import {CommandError, type Run} from '../../host/run.ts'
import type {Mapper, Place} from './mapper.ts'
import {type KernelFiles, ownKernel} from './real-kernel-files.ts'

// `krbd`: the kernel's own client. Mapped `exclusive`, the kernel keeps the image's lock until it is unmapped, whoever asks for it;
// `noshare` gives each map a client of its own, so that shutting one out leaves the others alone.

/** Bits of /sys/bus/rbd/supported_features (include/linux/ceph/rbd_types.h); the fleet makes images with just these. */
const features: Readonly<Record<string, bigint>> = {
  layering: 1n,
  'exclusive-lock': 4n,
  'object-map': 8n,
  'fast-diff': 16n,
  'deep-flatten': 32n,
}
const bus = '/sys/bus/rbd'
/** exit code of `rbd unmap`: EBUSY, EINVAL (not mapped). */
const busy = 16

export const createKrbd = ({run, kernel = ownKernel}: {run: Run; kernel?: KernelFiles}): Mapper => {
  const numberOf = (place: Place): string | null =>
    kernel.list(`${bus}/devices`).find((id) => kernel.read(`${bus}/devices/${id}/pool_ns`) === place.copy) ?? null
  const deviceOf = (place: Place): string | null => {
    const number = numberOf(place)
    return number === null ? null : `/dev/rbd${number}`
  }
  return {
    name: 'krbd',
    missing: async () => {
      if (!(await isThere('rbd', run))) return 'rbd is not on PATH (package ceph-common)'
      if (kernel.read(`${bus}/supported_features`) === null)
        await run(['modprobe', 'rbd'], AbortSignal.timeout(10_000)).catch(() => null) // the next look says whether it helped
      const known = kernel.read(`${bus}/supported_features`)
      if (known === null) return 'the kernel has no rbd (module rbd)'
      const lacking = Object.entries(features).filter(([, bit]) => (BigInt(known) & bit) === 0n)
      return lacking.length === 0 ? null : `the kernel's rbd lacks ${lacking.map(([name]) => name).join(', ')}`
    },
    deviceOf,
    failureOf: async () => null, // what the kernel can't write it says to whoever writes
    map: async (place, {pool, namespace, image, user}: CephCredentials, _deps, signal) => {
      const known = deviceOf(place)
      if (known) return known
      const udev = kernel.read('/run/udev/control') === null ? ',noudev' : '' // it would wait for one for ever
      const key = ['--conf', place.configuration, '--id', user, '--keyring', place.keyring]
      const options = ['--options', `exclusive,noshare,lock_timeout=30${udev}`]
      const said = await run(['rbd', ...key, 'map', ...options, `${pool}/${namespace}/${image}`], signal)
      const device = deviceOf(place)
      if (device === null)
        throw new Error(`rbd said ${said.trim()}, but the kernel shows no device for copy ${place.copy}`)
      return device
    },
    unmap: async (place, _deps, signal) => {
      const device = deviceOf(place)
      if (device === null) return
      const udev = kernel.read('/run/udev/control') === null ? ['--options', 'noudev'] : []
      try {
        await run(['rbd', '--conf', '/dev/null', 'unmap', ...udev, device], signal)
      } catch (error) {
        if (error instanceof CommandError && error.exitCode === busy)
          throw new DeviceBusyError(`${device} (copy ${place.copy}) is in use`, {cause: error})
        throw error
      }
      if (deviceOf(place) !== null)
        throw new DeviceBusyError(`${device} (copy ${place.copy}) is still there after it was unmapped`)
    },
  }
}
