import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createWriteStream, mkdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import type {Readable} from 'node:stream'
import {UsageError} from '../failures.ts'

/** A tar was unpacked into `directory`; anything else is the text of a Dockerfile. */
export type ReadInput =
  | {readonly kind: 'directory'; readonly directory: string}
  | {readonly kind: 'dockerfile'; readonly text: Uint8Array}

const block = 512
const largestDockerfile = 16 * 1024 * 1024

/** Reads all of stdin and tells by its first bytes, as docker does, what it is. Throws `UsageError` if nothing came. */
export const readInput = async (stdin: Readable, scratch: string): Promise<ReadInput> => {
  const chunks = stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  let start: Buffer = Buffer.alloc(0)
  let ended = false
  while (start.length < block && !ended) {
    const {done, value} = await chunks.next()
    if (done) ended = true
    else start = Buffer.concat([start, value])
  }
  if (start.length === 0) throw new UsageError('nothing came in on stdin: the context (-) was empty')
  const rest = {[Symbol.asyncIterator]: () => chunks}
  if (isArchive(start)) return {kind: 'directory', directory: await unpack(start, rest, scratch)}
  const parts: Uint8Array[] = [start]
  let length = start.length
  for await (const part of rest) {
    length += part.length
    if (length > largestDockerfile) throw new UsageError('what came in on stdin is neither a tar nor a Dockerfile')
    parts.push(part)
  }
  return {kind: 'dockerfile', text: Buffer.concat(parts)}
}

const magics = [
  [0x1f, 0x8b],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  [0x28, 0xb5, 0x2f, 0xfd],
]

/** By the magic of its compression, or by the checksum of a tar header, which old tars without `ustar` have too. */
export const isArchive = (start: Uint8Array): boolean => {
  if (magics.some((magic) => magic.every((byte, at) => start[at] === byte))) return true
  if (start.length < block) return false
  const field = Buffer.from(start.subarray(148, 156)).toString('latin1').replaceAll('\0', ' ').trim()
  if (!/^[0-7]+$/.test(field)) return false
  let sum = 0
  for (let at = 0; at < block; at++) sum += at >= 148 && at < 156 ? 32 : (start[at] as number)
  return sum === Number.parseInt(field, 8)
}

/** Through a file, because tar finds out about compression only where it can seek. */
const unpack = async (start: Buffer, rest: AsyncIterable<Uint8Array>, scratch: string): Promise<string> => {
  const archive = join(scratch, 'context.tar')
  const directory = join(scratch, 'context')
  mkdirSync(directory)
  const file = createWriteStream(archive)
  file.write(start)
  for await (const part of rest) if (!file.write(part)) await once(file, 'drain')
  file.end()
  await once(file, 'close')
  await untar(archive, directory)
  rmSync(archive)
  return directory
}

const untar = (archive: string, directory: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const tar = spawn('tar', ['-xf', archive, '-C', directory, '--no-same-owner'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    tar.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    tar.on('error', (cause) => reject(new UsageError(`the tar on stdin can't be unpacked: tar is not there`, {cause})))
    tar.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new UsageError(`the tar on stdin can't be unpacked: ${said.trim().split('\n')[0]}`))
    })
  })
