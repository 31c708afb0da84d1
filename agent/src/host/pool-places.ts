import {realpath} from 'node:fs/promises'
import type {Log} from '@hearth/proto/clock'
import type {Run} from './run.ts'

/** `poolSizeBytes`, `keepFreeBytes`: see `PoolLimits`; nothing said: null. */
export type PoolArguments = {
  readonly stateDirectory: string
  readonly poolSizeBytes?: number | null
  readonly keepFreeBytes?: number | null
  readonly run: Run
  readonly log: Log
  readonly signal: AbortSignal
}

/** What is at the pool's place isn't a pool that we made, or can't be used; nothing was formatted. */
export class PoolContentError extends Error {
  override readonly name = 'PoolContentError'
}

export type PoolPlaces = {readonly image: string; readonly mountPoint: string; readonly native: string}

/** Without symbolic links: that is how sysfs and mountinfo show them. */
export const placesOf = async (stateDirectory: string): Promise<PoolPlaces> => {
  const state = await realpath(stateDirectory)
  return {image: `${state}/pool.img`, mountPoint: `${state}/pool`, native: `${state}/volumes`}
}
