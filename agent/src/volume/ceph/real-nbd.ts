import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import {DeviceBusyError, opensExclusively} from '../../host/loop.ts'
import {isThere} from '../../host/program.ts'
import type {Run} from '../../host/run.ts'
import type {Mapper, Place} from './mapper.ts'
import {type KernelFiles, ownKernel} from './real-kernel-files.ts'

// `nbd`: rbd-nbd serves the image to the kernel's network block device. For kernels without rbd that have nbd. The server makes itself a
// daemon and outlives agents; it is found again by the device that it serves, whose process names the copy's configuration.

const blocks = '/sys/block'
/** A pause of the storage is waited for as long as it takes, as with the other attachers; the kernel would give up after 30 s. */
const noTimeout = ['--io-timeout', '0']

/** `opensAlone`: whether nobody has the device mounted; with `kernel` for a test whose kernel is another machine's. */
export const createNbd = ({
  run,
  kernel = ownKernel,
  opensAlone = opensExclusively,
}: {
  run: Run
  kernel?: KernelFiles
  opensAlone?: (device: string) => Promise<boolean>
}): Mapper => {
  const isOf = (place: Place, name: string): boolean => {
    const pid = kernel.read(`${blocks}/${name}/pid`)
    const [program = '', ...words] = pid === null ? [] : (kernel.read(`/proc/${pid}/cmdline`) ?? '').split('\0')
    return program.endsWith('rbd-nbd') && words.includes(place.configuration)
  }
  const deviceOf = (place: Place): string | null => {
    const name = kernel.list(blocks).find((each) => each.startsWith('nbd') && isOf(place, each))
    return name === undefined ? null : `/dev/${name}`
  }
  return {
    name: 'nbd',
    missing: async () => {
      if (!(await isThere('rbd-nbd', run))) return 'rbd-nbd is not on PATH (package rbd-nbd)'
      const hasNbd = () => kernel.list(blocks).some((name) => name.startsWith('nbd'))
      if (!hasNbd()) await run(['modprobe', 'nbd'], AbortSignal.timeout(10_000)).catch(() => null) // the next look says whether it helped
      return hasNbd() ? null : 'the kernel has no nbd (module nbd)'
    },
    deviceOf,
    failureOf: async () => null, // without its server it is no device any more, which shows by itself
    map: async (place, {pool, namespace, image, user}: CephCredentials, _deps, signal) => {
      const known = deviceOf(place)
      if (known) return known
      const key = ['--conf', place.configuration, '--id', user, '--keyring', place.keyring]
      await run(['rbd-nbd', ...key, '--exclusive', ...noTimeout, 'map', `${pool}/${namespace}/${image}`], signal)
      const device = deviceOf(place)
      if (device === null)
        throw new Error(`rbd-nbd has mapped copy ${place.copy}, but the kernel shows no device for it`)
      return device
    },
    unmap: async (place, _deps, signal) => {
      const device = deviceOf(place)
      if (device === null) return
      if (!(await opensAlone(device))) throw new DeviceBusyError(`${device} (copy ${place.copy}) is in use`) // rbd-nbd does not ask
      await run(['rbd-nbd', '--conf', '/dev/null', 'unmap', device], signal)
      if (deviceOf(place) !== null)
        throw new DeviceBusyError(`${device} (copy ${place.copy}) is still there after it was unmapped`)
    },
  }
}
