import {readFile} from 'node:fs/promises'
import type {Architecture} from '@hearth/proto/common'
import si from 'systeminformation'
import {abortable} from './abortable.ts'

/** What doesn't change while this machine runs. */
export type HostFacts = {
  /** Another one after each boot: nothing that was started under an older one still runs. */
  readonly bootId: string
  readonly architecture: Architecture
  readonly cpus: number
  readonly memoryBytes: number
  /** For people: distribution and kernel. */
  readonly operatingSystem: string
}

/** Node's name for the processor is one that no builder exists for. */
export class UnsupportedArchitectureError extends Error {
  override readonly name = 'UnsupportedArchitectureError'
}

/**
 * Asked once, at start, before any volume is attached: it runs shells that look at all disks, and a stuck volume would hang them.
 * Throws `UnsupportedArchitectureError`.
 */
export const readHostFacts = async (signal: AbortSignal): Promise<HostFacts> => {
  const architecture = architectureOf(process.arch)
  const [bootId, cpu, system, memory] = await abortable(
    Promise.all([readFile('/proc/sys/kernel/random/boot_id', 'utf8'), si.cpu(), si.osInfo(), si.mem()]),
    signal,
  )
  return {
    bootId: bootId.trim(),
    architecture,
    cpus: Math.max(1, cpu.cores),
    memoryBytes: memory.total,
    operatingSystem: `${system.distro} ${system.release}, Linux ${system.kernel}`,
  }
}

/** Docker's word for the processor, which buildkit and images use too. */
export const architectureOf = (nodeArch: string): Architecture => {
  if (nodeArch === 'x64') return 'amd64'
  if (nodeArch === 'arm64') return 'arm64'
  throw new UnsupportedArchitectureError(`no builder runs on ${nodeArch}: Hearth builds natively on amd64 and arm64`)
}
