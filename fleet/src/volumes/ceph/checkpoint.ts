import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {CopyMissingError} from '@hearth/proto/volume-errors'
import type {WhileFrozen} from '@hearth/proto/volume-store'
import {errno} from './asked.ts'
import {unless, unlessLocked} from './cluster.ts'
import {imageOf, requireContent} from './image.ts'
import type {World} from './store.ts'

// A snapshot of an image that a host has open: librbd hands the request to the client that holds the image's lock, which makes it. The
// snapshot has another name until it is known that the file system was frozen all the time.

const suffix = '.part'
export const isPart = (name: string): boolean => name.endsWith(suffix)

export const checkpoint = async (
  copy: CopyId,
  generation: GenerationId,
  whileFrozen: WhileFrozen,
  world: World,
  signal: AbortSignal,
): Promise<void> => {
  const {cluster, looks, settings} = world
  const what = `no checkpoint of copy ${copy} can be made`
  const used = await looks.used(copy, signal)
  if (!used) throw new CopyMissingError(`${what}: it is not in Ceph`)
  if (used.generationBytes.has(generation)) return
  await requireContent(copy, what, used, looks, signal)
  const image = imageOf(copy, settings)
  const part = `${image}@${generation}${suffix}`
  await removeSnapshot(part, what, world, signal)
  try {
    const asked = {what, expected: [errno.readOnly]}
    await whileFrozen(() => unlessLocked(what, cluster.rbd(['snap', 'create', '--no-progress', part], asked, signal)))
  } catch (error) {
    if (!signal.aborted) await removeSnapshot(part, what, world, signal)
    throw error
  }
  await cluster.rbd(['snap', 'rename', part, `${image}@${generation}`], {what}, signal)
}

/** What was interrupted. */
export const removeParts = async (copy: CopyId, world: World, signal: AbortSignal): Promise<void> => {
  const parts = ((await world.looks.snapshots(copy, signal)) ?? []).filter(({name}) => isPart(name))
  const what = `what is left of a checkpoint of copy ${copy} can't be removed`
  for (const {name} of parts) await removeSnapshot(`${imageOf(copy, world.settings)}@${name}`, what, world, signal)
}

const removeSnapshot = async (snapshot: string, what: string, {cluster}: World, signal: AbortSignal): Promise<void> => {
  const asked = {what, expected: [errno.missing]}
  await unless([errno.missing], cluster.rbd(['snap', 'rm', '--no-progress', snapshot], asked, signal))
}
