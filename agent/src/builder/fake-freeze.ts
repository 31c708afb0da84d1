import type {BuilderId} from '@hearth/proto/ids'
import {abortable} from '../host/abortable.ts'
import type {FakeRuntimeStep} from './fake.ts'
import type {FakeBuilders} from './fake-builders.ts'

/** As freeze.sh does, which goes on when the agent dies, unless it is killed too (`pace().thawsAlone`). */
export const whileFrozen = async <Result>(
  builder: BuilderId,
  act: () => Promise<Result>,
  {all, deps}: FakeBuilders,
  step: FakeRuntimeStep,
  signal: AbortSignal,
): Promise<Result> => {
  await step('whileFrozen:begin')
  signal.throwIfAborted()
  const {disk, clock, pace, frozenAtMostMs} = deps
  const daemon = all.get(builder)?.daemon
  if (!daemon?.runs) throw new Error(`builder ${builder} does not run`)
  const {device} = daemon.spec
  const freeze = disk.freeze(device)
  const over = new AbortController()
  if (pace().thawsAlone)
    clock.sleep(frozenAtMostMs, over.signal).then(
      () => disk.thaw(device, freeze),
      () => undefined, // thawed before
    )
  try {
    await step('whileFrozen:half')
    const result = await abortable(act(), signal)
    if (disk.thaw(device, freeze)) return result
    throw new Error(`the volume of builder ${builder} was thawed before its time`)
  } finally {
    disk.thaw(device, freeze)
    over.abort()
  }
}
