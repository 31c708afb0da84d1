import type {Log} from '@hearth/proto/clock'
import type {CopyId, GenerationId} from '@hearth/proto/ids'
import type {Run} from '../host/run.ts'

/** Where things are in a pool, and what is needed to work on them. `busyWaitMs`: how long a detach waits for whoever is letting go. */
export type LocalPool = {
  readonly paths: PoolPaths
  readonly run: Run
  readonly log: Log
  readonly busyWaitMs: number
}

const imageSuffix = '.img'

export type PoolPaths = {
  readonly directory: string
  readonly copies: string
  readonly generations: string
  readonly epochs: string
  copy(copy: CopyId): string
  generation(generation: GenerationId): string
  epoch(copy: CopyId): string
}

export const poolPaths = (directory: string): PoolPaths => {
  const [copies, generations, epochs] = [`${directory}/copies`, `${directory}/generations`, `${directory}/epochs`]
  return {
    directory,
    copies,
    generations,
    epochs,
    copy: (copy) => `${copies}/${copy}${imageSuffix}`,
    generation: (generation) => `${generations}/${generation}${imageSuffix}`,
    epoch: (copy) => `${epochs}/${copy}`,
  }
}

/** The id whose image this is in that folder, null if it is none. */
export const imageIdOf = (path: string, folder: string): string | null =>
  path.startsWith(`${folder}/`) && path.endsWith(imageSuffix)
    ? path.slice(folder.length + 1, -imageSuffix.length)
    : null
