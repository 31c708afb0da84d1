import type {DesiredCopy} from '@hearth/proto/desired'
import type {CopyId, GenerationId} from '@hearth/proto/ids'
import type {WhileFrozen} from '@hearth/proto/volume-store'
import {abortable} from '../host/abortable.ts'
import {
  type AttachedCopy,
  type AttachRequest,
  CopyMissingError,
  EpochFencedError,
  GenerationMissingError,
  VolumeBusyError,
  VolumeContentError,
} from './attacher.ts'
import type {FakeCopy, FakeDisk, FakeImage} from './fake-disk.ts'
import type {LocalVolumes} from './local.ts'
import {createOneAtATime} from './one-at-a-time.ts'

/**
 * Called at each point at which an agent may die or an act may fail. One that never settles is a dead agent; one that throws is a
 * failed act. Nothing else in here waits.
 */
export type FakeStep = (at: FakeVolumeStep) => Promise<void>
export type FakeVolumeStep = `${keyof LocalVolumes}:${'begin' | 'half' | 'done'}`

type World = {readonly disk: FakeDisk; readonly step: FakeStep}

/** An agent's view of the fake disk; behaves as `createLocalVolumes` does, and passes the same contract suite. */
export const createFakeVolumes = ({
  disk,
  step = async () => undefined,
}: {
  disk: FakeDisk
  step?: FakeStep
}): LocalVolumes => {
  const world: World = {disk, step}
  const oneAtATime = createOneAtATime()
  const stepped = async <Result>(
    name: keyof LocalVolumes,
    signal: AbortSignal,
    act: () => Result | Promise<Result>,
  ) => {
    await step(`${name}:begin`)
    signal.throwIfAborted()
    const result = await act()
    await step(`${name}:done`)
    return result
  }
  const queued = <Result>(
    name: keyof LocalVolumes,
    key: string,
    signal: AbortSignal,
    act: () => Result | Promise<Result>,
  ) => oneAtATime(key, () => stepped(name, signal, act), signal)
  return {
    list: (signal) => stepped('list', signal, () => list(disk)),
    usage: (signal) => stepped('usage', signal, () => usage(disk)),
    sweep: (signal) => stepped('sweep', signal, () => disk.parts.clear()),
    attach: (request, signal) => queued('attach', request.copy, signal, () => attach(request, world)),
    detach: (copy, signal) => queued('detach', copy, signal, () => detach(copy, disk)),
    create: (copy, signal) => queued('create', copy.copy, signal, () => create(copy, world)),
    seal: (copy, generation, signal) => queued('seal', copy, signal, () => seal(copy, generation, world)),
    checkpoint: (copy, generation, whileFrozen, signal) =>
      abortable(
        queued('checkpoint', copy, signal, () => checkpoint(copy, generation, whileFrozen, world)),
        signal,
      ),
    deleteCopy: (copy, signal) => queued('deleteCopy', copy, signal, () => deleteCopy(copy, disk)),
    deleteGeneration: (generation, signal) =>
      queued('deleteGeneration', generation, signal, () => {
        if (disk.generations.delete(generation)) disk.note({type: 'deletedGeneration', generation})
      }),
  }
}

const list = (disk: FakeDisk): readonly AttachedCopy[] =>
  [...disk.copies].flatMap(([copy, {attachment}]) => (attachment ? [{copy, device: attachment.device}] : []))

const usage = (disk: FakeDisk) => ({
  copies: [...disk.copies].map(([copy, {image}]) => ({copy, usedBytes: bytesOf(image), fault: null})),
  generations: [...disk.generations].map(([generation, image]) => ({generation, usedBytes: bytesOf(image)})),
})
const bytesOf = (image: FakeImage): number => (image.content === 'blank' ? 0 : 4096 * (1 + image.blocks.size))

const attach = async (request: AttachRequest, {disk, step}: World): Promise<AttachedCopy> => {
  const {copy, epoch, filesystem, mayFormat} = request
  const on = find(copy, disk)
  if (on.epochSeen > epoch) throw new EpochFencedError(`copy ${copy} was attached under epoch ${on.epochSeen}`)
  if (on.attachment && on.attachment.epoch < epoch)
    throw new VolumeBusyError(`copy ${copy} is attached under epoch ${on.attachment.epoch}`)
  if (on.epochSeen > 0 && on.epochSeen < epoch - 1)
    throw new VolumeContentError(`copy ${copy} is older than the fleet knows it: its epoch here is ${on.epochSeen}`)
  if (on.image.content === 'blank' && mayFormat && !on.attachment) {
    request.onFormat()
    await step('attach:begin')
    on.image.content = 'half-made'
    await step('attach:half')
    on.image.content = {filesystem}
    disk.note({type: 'formatted', copy})
  }
  requireFilesystem(copy, filesystem, on.image)
  on.epochSeen = epoch
  await step('attach:half')
  if (!on.attachment) {
    on.attachment = {device: disk.newDevice(), epoch}
    disk.note({type: 'attached', copy, epoch})
  }
  return {copy, device: on.attachment.device}
}

const requireFilesystem = (copy: CopyId, filesystem: CopyId, {content}: FakeImage): void => {
  if (typeof content === 'object' && content.filesystem === filesystem) return
  const found = typeof content === 'object' ? content.filesystem : content
  throw new VolumeContentError(`copy ${copy} must hold the file system ${filesystem}, but holds ${found}`)
}

const detach = (copy: CopyId, disk: FakeDisk): void => {
  const on = disk.copies.get(copy)
  if (!on?.attachment) return
  if (on.holders.size > 0) throw new VolumeBusyError(`copy ${copy} is in use by ${[...on.holders].join(', ')}`)
  if (on.freeze) throw new VolumeBusyError(`copy ${copy} is frozen`)
  disk.note({type: 'detached', copy, epoch: on.attachment.epoch})
  on.attachment = null
}

const create = async ({copy, from}: DesiredCopy, {disk, step}: World): Promise<void> => {
  if (disk.copies.has(copy)) return
  const source = from === null ? null : disk.generations.get(from)
  if (source === undefined) throw new GenerationMissingError(`generation ${from} is not on this host`)
  const image: FakeImage = source ? cloneImage(source) : {content: 'blank', blocks: new Map()}
  await interruptible(`copies/${copy}`, 'create:half', {disk, step})
  disk.copies.set(copy, {image, unsynced: new Map(), holders: new Set(), attachment: null, freeze: null, epochSeen: 0})
  disk.note(from === null ? {type: 'created', copy} : {type: 'cloned', copy, generation: from})
}

const seal = async (copy: CopyId, generation: GenerationId, {disk, step}: World): Promise<void> => {
  if (disk.generations.has(generation)) return
  const on = find(copy, disk)
  requireDetached(copy, on)
  if (typeof on.image.content === 'string') throw new VolumeContentError(`copy ${copy} holds no file system`)
  const image = cloneImage(on.image)
  await interruptible(`generations/${generation}`, 'seal:half', {disk, step})
  disk.generations.set(generation, image)
  disk.note({type: 'sealed', copy, generation})
}

const checkpoint = async (
  copy: CopyId,
  generation: GenerationId,
  whileFrozen: WhileFrozen,
  {disk, step}: World,
): Promise<void> => {
  if (disk.generations.has(generation)) return
  const on = find(copy, disk)
  if (typeof on.image.content === 'string') throw new VolumeContentError(`copy ${copy} holds no file system`)
  const image = await whileFrozen(async () => {
    await step('checkpoint:half')
    const taken = cloneImage(on.image)
    const [some] = disk.tearsCheckpoints ? [...taken.blocks.keys()].filter((name) => name !== 'index') : []
    if (some !== undefined) taken.blocks.delete(some)
    return taken
  })
  await interruptible(`generations/${generation}`, 'checkpoint:half', {disk, step})
  disk.generations.set(generation, image)
  disk.note({type: 'checkpointed', copy, generation})
}

const deleteCopy = (copy: CopyId, disk: FakeDisk): void => {
  const on = disk.copies.get(copy)
  if (!on) return
  requireDetached(copy, on)
  disk.copies.delete(copy)
  disk.note({type: 'deletedCopy', copy})
}

/** A death in the middle leaves a part, a failure nothing. */
const interruptible = async (part: string, at: FakeVolumeStep, {disk, step}: World): Promise<void> => {
  disk.parts.add(part)
  try {
    await step(at)
  } finally {
    disk.parts.delete(part)
  }
}

/** What is torn stays so. */
export const cloneImage = ({content, blocks, isTorn = false}: FakeImage): FakeImage => ({
  ...{content, isTorn},
  blocks: new Map(blocks),
})

const find = (copy: CopyId, disk: FakeDisk): FakeCopy => {
  const on = disk.copies.get(copy)
  if (!on) throw new CopyMissingError(`copy ${copy} is not on this host`)
  return on
}

const requireDetached = (copy: CopyId, on: FakeCopy): void => {
  if (on.attachment) throw new VolumeBusyError(`copy ${copy} is attached as ${on.attachment.device}`)
}
