import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {VolumeBusyError} from '@hearth/proto/volume-errors'
import type {InspectedCopy} from '../../storage/shared-storage.ts'
import {errno} from './asked.ts'
import {isPart} from './checkpoint.ts'
import {unless, unlessLocked} from './cluster.ts'
import {forEach} from './for-each.ts'
import {imageOf} from './image.ts'
import {forgetAncestors} from './keys.ts'
import type {FoundCopy} from './orphans-decide.ts'
import type {World} from './store.ts'

// What keeps volumes in shape, off everybody's way: only for copies that no builder has. All of it may be killed and repeated.

/** Copies all that the copy still reads from its ancestors, which may go then. A copy that is no clone is left as it is. */
export const flatten = async (copy: CopyId, world: World, signal: AbortSignal): Promise<void> => {
  const what = `copy ${copy} can't be flattened`
  await requireUnused(copy, what, world, signal)
  const found = await world.looks.parent(copy, signal)
  if (!found?.parent) return
  await write(['flatten', '--no-progress', imageOf(copy, world.settings)], what, world, signal)
  forgetAncestors(world.known)
}

/** Gives back to the pool what holds only zeros. */
export const sparsify = async (copy: CopyId, world: World, signal: AbortSignal): Promise<void> => {
  const what = `copy ${copy} can't give back what it does not need`
  await requireUnused(copy, what, world, signal)
  await write(['sparsify', '--no-progress', imageOf(copy, world.settings)], what, world, signal)
}

/** Makes it that large, or leaves it if it is already; it never shrinks. What is in it learns of that when it is mounted. */
export const grow = async (copy: CopyId, sizeBytes: number, world: World, signal: AbortSignal): Promise<void> => {
  const what = `copy ${copy} can't be made larger`
  await requireUnused(copy, what, world, signal)
  const size = `${Math.ceil(sizeBytes / 1024 ** 2)}M`
  await write(['resize', '--no-progress', '--size', size, imageOf(copy, world.settings)], what, world, signal)
}

/** Without `--allow-shrink`, `resize` says EINVAL for what is as large already. */
const write = async (
  command: readonly string[],
  what: string,
  {cluster}: World,
  signal: AbortSignal,
): Promise<void> => {
  const asked = {what, expected: [errno.invalid, errno.readOnly], long: true}
  await unlessLocked(what, unless([errno.invalid], cluster.rbd(command, asked, signal)))
}

const requireUnused = async (copy: CopyId, what: string, {looks}: World, signal: AbortSignal): Promise<void> => {
  const clients = await looks.watchers(copy, signal)
  if (clients?.length)
    throw new VolumeBusyError(`${what}: it is attached by ${clients.map(({address}) => address).join(', ')}`)
}

/** Of what is half-made, or has just gone, nothing is told. */
export const inspect = async ({looks}: World, signal: AbortSignal): Promise<readonly InspectedCopy[]> => {
  const found = new Map<CopyId, FoundCopy>()
  const parents = new Map<CopyId, CopyId>()
  await forEach(await looks.namespaces(signal), async (copy) => {
    const [marks, snapshots, of] = await Promise.all([
      looks.marks(copy, signal),
      looks.snapshots(copy, signal),
      looks.parent(copy, signal),
    ])
    if (!marks || !snapshots || !of) return
    if (of.parent) parents.set(copy, of.parent)
    const generations = snapshots.filter(({name, namespace}) => namespace.type === 'user' && !isPart(name))
    found.set(copy, {copy, ...marks, generations: generations.map(({name}) => name as GenerationId)})
  })
  const ancestorsOf = (copy: CopyId): readonly CopyId[] => {
    const parent = parents.get(copy)
    return parent ? [parent, ...ancestorsOf(parent)] : []
  }
  return [...found.values()].map((each) => ({...each, ancestors: ancestorsOf(each.copy)}))
}
