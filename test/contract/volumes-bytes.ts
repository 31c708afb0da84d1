import type {CopyId} from '@hearth/proto/ids'
import {expect, test} from 'vitest'
import {desired, first, later, type Mounted, one, signal, type World} from './volumes-rig.ts'

const blockBytes = 4096
const blocksOfFile = 96
const files = Array.from({length: 8}, (_, index) => `file-${index}`)

/** Each block says whose it is, of which round, and where it stands: one that is lost, old, foreign or misplaced shows. */
const blockOf = (copy: CopyId, round: number, file: string, block: number): string =>
  `${copy} round ${round} ${file} block ${block} `.repeat(100).slice(0, blockBytes)
const contentOf = (copy: CopyId, round: number, file: string): string =>
  Array.from({length: blocksOfFile}, (_, block) => blockOf(copy, round, file, block)).join('')

/** What a file system must hold: by file, who wrote it in which round. */
type Holds = Map<string, {readonly copy: CopyId; readonly round: number}>

/** All files at once. */
const writeRound = async (on: Mounted, holds: Holds, copy: CopyId, round: number, which: readonly string[]) => {
  await Promise.all(which.map(async (file) => await on.write(file, contentOf(copy, round, file))))
  for (const file of which) holds.set(file, {copy, round})
}

const expectAll = async (on: Mounted, holds: Holds) => {
  const found = await Promise.all(files.map(async (file) => [file, await on.read(file)] as const))
  for (const [file, text] of found) {
    const {copy, round} = holds.get(file) ?? {}
    const wanted = copy && round !== undefined ? contentOf(copy, round, file) : null
    expect(firstWrong(text, wanted), file).toBeNull()
  }
}

/** The first block that is not what it must be, short enough to read. */
const firstWrong = (text: string | null, wanted: string | null): string | null => {
  if (text === wanted) return null
  if (text === null || wanted === null) return text === null ? 'is missing' : 'must not be there'
  for (let at = 0; at < Math.max(text.length, wanted.length); at += blockBytes) {
    const block = text.slice(at, at + blockBytes)
    if (block !== wanted.slice(at, at + blockBytes)) return `block ${at / blockBytes} is ${block.slice(0, 80)}`
  }
  return 'differs'
}

export const describeBytes = (world: World): void => {
  test('every byte of an original and its clones is where it was written, over remounts, with parallel writers', async () => {
    const {rig, volumes} = world()
    const [original, early, late] = [rig.newCopyId(), rig.newCopyId(), rig.newCopyId()]
    const held: Holds = new Map()
    await volumes.create(desired(original), signal)
    const begun = await rig.mount((await volumes.attach(first(original), signal)).device)
    await writeRound(begun, held, original, 1, files)
    await begun.unmount()
    await volumes.detach(original, signal)
    await volumes.seal(original, one, signal)
    const sealed: Holds = new Map(held)

    // The original goes on, then come two clones: each of the later ones begins while those before it are mounted.
    const attachedOriginal = await volumes.attach(later(original, 2), signal)
    const onOriginal = await rig.mount(attachedOriginal.device)
    const clones = new Map<CopyId, Holds>()
    const mounted = new Map<CopyId, Mounted>()
    for (const clone of [early, late]) {
      await volumes.create(desired(clone, {from: one, filesystem: original}), signal)
      const {device} = await volumes.attach(later(clone, 1, original), signal)
      clones.set(clone, new Map(sealed))
      mounted.set(clone, await rig.mount(device))
    }
    const each = async (act: (clone: CopyId, on: Mounted, holds: Holds) => Promise<void>) =>
      await Promise.all([...mounted].map(async ([clone, on]) => await act(clone, on, clones.get(clone) ?? new Map())))
    await each((_, on, holds) => expectAll(on, holds))
    await Promise.all([
      writeRound(onOriginal, held, original, 2, files.slice(0, 5)),
      each((clone, on, holds) => writeRound(on, holds, clone, 2, files.slice(3))),
    ])

    // The original is detached for good although builders that started later run on.
    await onOriginal.unmount()
    await volumes.detach(original, signal)
    expect((await volumes.list(signal)).map(({copy}) => copy).toSorted()).toEqual([early, late].toSorted())
    await each((clone, on, holds) => writeRound(on, holds, clone, 3, files.slice(6)))
    await each((_, on, holds) => expectAll(on, holds))

    for (let epoch = 3; epoch < 6; epoch++) {
      const epochOfClones = epoch - 1
      await each((_, on) => on.unmount())
      const again = await rig.mount((await volumes.attach(later(original, epoch), signal)).device)
      await expectAll(again, held)
      await writeRound(again, held, original, epoch, files.slice(epoch % 4, 5))
      for (const clone of mounted.keys()) {
        await volumes.detach(clone, signal)
        mounted.set(
          clone,
          await rig.mount((await volumes.attach(later(clone, epochOfClones, original), signal)).device),
        )
      }
      await each((_, on, holds) => expectAll(on, holds))
      await each((clone, on, holds) => writeRound(on, holds, clone, epoch, files.slice(epoch % 7)))
      await again.unmount()
      await volumes.detach(original, signal)
    }
    await each((_, on, holds) => expectAll(on, holds))
    await each((_, on) => on.unmount())

    // What was sealed is still what it was.
    const last = rig.newCopyId()
    await volumes.create(desired(last, {from: one, filesystem: original}), signal)
    const fresh = await rig.mount((await volumes.attach(later(last, 1, original), signal)).device)
    await expectAll(fresh, sealed)
    await fresh.unmount()
  })
}
