import {randomBytes} from 'node:crypto'
import {open} from 'node:fs/promises'
import {run} from '@hearth/agent/host/run'

// What goes wrong with an image of a cache that no one has attached.

const within = () => AbortSignal.timeout(60_000)
const mebibyte = 1024 ** 2

/** Runs a script in the image's file system, in a mount namespace of its own. */
export const damageFiles = async (image: string, script: string): Promise<void> => {
  const mounted = 'mount -t xfs -o loop,nouuid "$0" /mnt && cd /mnt && eval "$1" && cd / && umount /mnt'
  await run(['unshare', '--mount', 'sh', '-ec', mounted, image, script], within())
}

/** Its first bytes are nothing that anyone knows. */
export const damageSuperblock = async (image: string): Promise<void> => await overwrite(image, 0, randomBytes(4096))

/** The log of its file system holds what recovery can't mend. */
export const damageLog = async (image: string): Promise<void> => {
  const facts = await run(['xfs_db', '-r', '-c', 'sb 0', '-c', 'print blocksize logstart logblocks', image], within())
  const fact = (name: string): bigint => BigInt(new RegExp(`^${name} = (\\d+)$`, 'm').exec(facts)?.[1] ?? '0')
  const address = await run(['xfs_db', '-r', '-c', `convert fsblock ${fact('logstart')} daddr`, image], within())
  const sector = Number(/\((\d+)\)/.exec(address)?.[1])
  const bytes = Math.min(Number(fact('logblocks') * fact('blocksize')), 64 * mebibyte)
  await overwrite(image, sector * 512, randomBytes(bytes))
}

const overwrite = async (image: string, at: number, bytes: Buffer): Promise<void> => {
  const file = await open(image, 'r+')
  try {
    await file.write(bytes, 0, bytes.length, at)
    await file.sync()
  } finally {
    await file.close()
  }
}
