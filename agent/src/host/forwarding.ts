import {access, readFile, rm, writeFile} from 'node:fs/promises'
import {CommandError, type Run} from './run.ts'

const switchFile = '/proc/sys/net/ipv4/ip_forward'

/** Lets the kernel forward; `memory` is a file that then says that it did not before. Idempotent. */
export const forwardOn = async (memory: string): Promise<void> => {
  if ((await readFile(switchFile, 'utf8')).trim() === '1') return
  await writeFile(memory, 'off before\n')
  await writeFile(switchFile, '1')
}

/** Undoes `forwardOn`, if that did anything. Idempotent. */
export const forwardOff = async (memory: string): Promise<void> => {
  try {
    await access(memory)
  } catch {
    return // it was on before
  }
  await writeFile(switchFile, '0')
  await rm(memory)
}

/**
 * Where iptables drops what is forwarded (Docker makes that the policy), lets builders through; our own nftables rules still hold,
 * since a packet must pass both. `prefix` is the start of the builders' interface names. Idempotent.
 */
export const acceptForwarded = async (prefix: string, run: Run, signal: AbortSignal): Promise<void> => {
  const rules = await forwardRules(run, signal)
  if (!rules.includes('-P FORWARD DROP')) return
  for (const rule of acceptRules(prefix))
    if (!rules.includes(`-A FORWARD ${rule.join(' ')}`)) await run(['iptables', '-w', '-I', 'FORWARD', ...rule], signal)
}

/** Undoes `acceptForwarded`. Idempotent. */
export const dropAccepted = async (prefix: string, run: Run, signal: AbortSignal): Promise<void> => {
  const rules = await forwardRules(run, signal)
  for (const rule of acceptRules(prefix))
    if (rules.includes(`-A FORWARD ${rule.join(' ')}`)) await run(['iptables', '-w', '-D', 'FORWARD', ...rule], signal)
}

/** In the spelling of `iptables -S`. */
const acceptRules = (prefix: string): readonly (readonly string[])[] => [
  ['-i', `${prefix}+`, '-j', 'ACCEPT'],
  ['-o', `${prefix}+`, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT'],
]

/** No rules where there is no iptables. */
const forwardRules = async (run: Run, signal: AbortSignal): Promise<readonly string[]> => {
  try {
    return (await run(['iptables', '-w', '-S', 'FORWARD'], signal)).split('\n')
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === null) return []
    throw error
  }
}
