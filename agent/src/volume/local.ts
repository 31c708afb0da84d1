import type {Log} from '@hearth/proto/clock'
import type {CheckpointStore, VolumeStore} from '@hearth/proto/volume-store'
import {abortable} from '../host/abortable.ts'
import type {Run} from '../host/run.ts'
import type {VolumeAttacher} from './attacher.ts'
import {attach, detach, listAttached} from './local-attach.ts'
import {type LocalPool, poolPaths} from './local-pool.ts'
import {checkpoint, create, deleteCopy, deleteGeneration, seal, sweep, usage} from './local-store.ts'
import {createOneAtATime} from './one-at-a-time.ts'

// Driver `local`: a copy is the sparse image copies/<copy>.img with a loop device, a generation the image generations/<generation>.img
// that shares its blocks. Invariants:
// - generations/*.img is never written and never attached; a file is complete once it ends in .img;
// - an image gets a loop device only after its content was found to be the file system that the copy must hold;
// - epochs/<copy> holds the highest epoch under which the copy was attached here, written before it is attached.

/** `sweep` removes what interrupted acts left behind; call it once at start, before anything else. */
export type LocalVolumes = VolumeAttacher & VolumeStore & CheckpointStore & {sweep(signal: AbortSignal): Promise<void>}

export type LocalVolumesOptions = {
  readonly directory: string
  readonly run: Run
  readonly log: Log
  readonly busyWaitMs?: number
}

/** `directory` is the pool's (`openPool`), without symbolic links. Have one of these for each pool: acts on one copy queue up in it. */
export const createLocalVolumes = ({directory, busyWaitMs = 5000, ...more}: LocalVolumesOptions): LocalVolumes => {
  const pool: LocalPool = {paths: poolPaths(directory), busyWaitMs, ...more}
  const oneAtATime = createOneAtATime()
  return {
    list: (signal) => abortable(listAttached(pool), signal),
    attach: (request, signal) => oneAtATime(request.copy, () => attach(request, pool, signal), signal),
    detach: (copy, signal) => oneAtATime(copy, () => detach(copy, pool, signal), signal),
    usage: (signal) => abortable(usage(pool), signal),
    create: (copy, signal) => oneAtATime(copy.copy, () => create(copy, pool), signal),
    seal: (copy, generation, signal) => oneAtATime(copy, () => seal(copy, generation, pool), signal),
    checkpoint: (copy, generation, whileFrozen, signal) => {
      const act = () => checkpoint(copy, generation, whileFrozen, pool)
      return abortable(oneAtATime(copy, act, signal), signal)
    },
    deleteCopy: (copy, signal) => oneAtATime(copy, () => deleteCopy(copy, pool), signal),
    deleteGeneration: (generation, signal) => oneAtATime(generation, () => deleteGeneration(generation, pool), signal),
    sweep: (signal) => abortable(sweep(pool), signal),
  }
}
