import {readdirSync, readFileSync, renameSync, rmdirSync, writeFileSync} from 'node:fs'
import {mkdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {Endpoint} from '@hearth/proto/common'
import type {BuilderId} from '@hearth/proto/ids'
import {newRoot} from '../buildkit/config.ts'
import {parseExit} from './exit.ts'
import type {BuilderExit} from './runtime.ts'

// The directory is on a tmpfs: it never waits, and a promise would cost ten times as much.

/** What an agent writes down before it makes anything of a builder, so that any later agent finds all of it. */
export type BuilderRecord = {
  readonly builder: BuilderId
  readonly bootId: string
  readonly device: string
  readonly port: number | null
  readonly endpoints: readonly Endpoint[]
  readonly network: string | null
  readonly memoryBytes: number
}

/** The directory of one builder: its keys, sockets, record, output and last words. */
export const builderDirectory = (runtimeDir: string, builder: BuilderId): string => join(runtimeDir, builder)

/** The builders that have a directory. Names that begin with a dot are the runtime's own. */
export const recordedBuilders = (runtimeDir: string): readonly BuilderId[] =>
  (unlessMissing(() => readdirSync(runtimeDir)) ?? []).filter((name) => !name.startsWith('.')) as BuilderId[]

/** False if the builder has a directory already. */
export const makeDirectory = async (directory: string): Promise<boolean> => {
  try {
    await mkdir(directory, {mode: 0o700})
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

export const writeRecord = (directory: string, record: BuilderRecord): void => {
  writeFileSync(join(directory, 'record.part'), JSON.stringify(record))
  renameSync(join(directory, 'record.part'), join(directory, 'record.json'))
}

/** Null if the agent died before it wrote one. */
export const readRecord = (directory: string): BuilderRecord | null => {
  const text = readOwn(directory, 'record.json')
  return text === null ? null : (JSON.parse(text) as BuilderRecord)
}

/** Its last words; null while it lives, and if it ended without any. */
export const readExit = (directory: string): BuilderExit | null => {
  const text = readOwn(directory, 'exit')
  return text === null ? null : parseExit(text)
}

/** The text of one of its files, null if it isn't there. */
export const readOwn = (directory: string, name: string): string | null =>
  unlessMissing(() => readFileSync(join(directory, name), 'utf8'))

/** Nobody but root may read it. */
export const writeSecret = (directory: string, name: string, text: string): void =>
  writeFileSync(join(directory, name), text, {mode: 0o600})

/** What became the builder's root is a mount in its own namespace only, and empty here: else the host's files would go with it. */
export const removeDirectory = async (directory: string): Promise<void> => {
  unlessMissing(() => rmdirSync(join(directory, newRoot)))
  await rm(directory, {recursive: true, force: true})
}

/** The last lines of what a builder's programs said, for an error message. */
export const lastLines = (directory: string, count: number): string =>
  ['stdout', 'stderr']
    .flatMap((name) => readOwn(directory, name)?.trim().split('\n') ?? [])
    .filter((line) => line !== '')
    .slice(-count)
    .join('\n')

const unlessMissing = <Result>(read: () => Result): Result | null => {
  try {
    return read()
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
