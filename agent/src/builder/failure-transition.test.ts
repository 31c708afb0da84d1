import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {BuilderAction} from '../reconcile/plan.ts'
import {EpochFencedError, VolumeBusyError, VolumeContentError, VolumeWriteError} from '../volume/attacher.ts'
import {afterFailure} from './failure-transition.ts'
import {BuilderInUseError, BuilderSilentError, BuilderStartError, BuilderStuckError} from './runtime.ts'
import {OverdueError} from './within.ts'

type Act = BuilderAction['type']
const up: readonly Act[] = ['createCopy', 'attach', 'start', 'adopt', 'openLease', 'endLease', 'closeLease', 'fail']
const down: readonly Act[] = ['thaw', 'stop', 'noteExit', 'detach', 'remove', 'forget']
const acts: readonly Act[] = [...up, ...down, 'tidy', 'checkpoint', 'release']
const classes = [
  Error,
  BuilderInUseError,
  BuilderStartError,
  BuilderSilentError,
  BuilderStuckError,
  VolumeBusyError,
  VolumeContentError,
  EpochFencedError,
  OverdueError,
]
const error = fc.constantFrom(...classes).map((Class) => new Class('why'))
const attempt = fc.integer({min: 1, max: 100})
const always = (act: fc.Arbitrary<Act>, look: (act: Act, error: Error, attempt: number) => void) =>
  fc.assert(fc.property(act, error, attempt, look))

describe('afterFailure', () => {
  it('gives up each act on the way to a build after a while, and says why', () => {
    always(fc.constantFrom(...up), (act, why, count) => {
      const {change, again} = afterFailure(act, why, count)
      expect(again).toBe(change === null)
      expect(afterFailure(act, why, 8)).toEqual({change: {fault: {code: why.name, message: 'why'}}, again: false})
    })
  })

  it('never gives up an act on the way down, and says when it is stuck', () => {
    always(fc.constantFrom(...down), (act, why, count) => {
      expect(afterFailure(act, why, count).again).toBe(true)
      expect(afterFailure(act, why, 3).change).toEqual({fault: {code: 'stuck', message: 'why'}})
    })
  })

  it('gives up a cache rather than the slot of its builder', () => {
    always(fc.constant('release'), (act, why, count) => {
      const {change, again} = afterFailure(act, why, count)
      expect(again).toBe(change === null)
      if (change) expect(change.leftClean).toMatchObject({clean: false, reason: expect.stringContaining('why')})
      expect(afterFailure(act, why, 5).again).toBe(false)
    })
  })

  it('calls nothing clean, and takes nothing back', () => {
    always(fc.constantFrom(...acts), (act, why, count) => {
      const {change} = afterFailure(act, why, count)
      expect(change?.leftClean?.clean ?? false).toBe(false)
      const allowed = ['fault', 'leftClean', 'tidyDue']
      expect(Object.keys(change ?? {}).filter((key) => !allowed.includes(key))).toEqual([])
    })
  })

  it.each([
    ['attach', new VolumeContentError('why'), 1],
    ['start', new BuilderStartError('why'), 1],
    ['start', new Error('why'), 1],
    ['endLease', new BuilderSilentError('why'), 1],
    ['tidy', new BuilderSilentError('why'), 1],
    ['attach', new OverdueError('why'), 1],
    ['createCopy', new Error('why'), 3],
    ['attach', new VolumeBusyError('why'), 8],
  ] as const)('%s that failed with %s is given up at attempt %d', (act, why, last) => {
    expect(afterFailure(act, why, last).change).toEqual({fault: {code: why.name, message: 'why'}})
    if (last > 1) expect(afterFailure(act, why, last - 1)).toEqual({change: null, again: true})
  })

  it('lets a prune that failed be', () => {
    expect(afterFailure('tidy', new Error('why'), 1)).toEqual({change: {tidyDue: false}, again: false})
  })

  it('gives up a checkpoint, not its builder, unless that is to blame; and none because of a client', () => {
    always(fc.constant('checkpoint'), (act, why, count) => {
      const {change, again} = afterFailure(act, why, count)
      const isToBlame = [BuilderSilentError, BuilderStuckError, VolumeContentError].some(
        (Class) => why instanceof Class,
      )
      expect(change).toEqual(isToBlame ? {fault: {code: why.name, message: 'why'}} : null)
      expect(again).toBe(!isToBlame && (count < 3 || why instanceof BuilderInUseError))
    })
  })

  it.each([new VolumeBusyError('why'), new BuilderStuckError('why'), new OverdueError('why')])(
    'says at once that a builder is stuck: %s',
    (why) => {
      expect(afterFailure('detach', why, 1)).toEqual({change: {fault: {code: 'stuck', message: 'why'}}, again: true})
    },
  )

  it('does not take a copy for clean that may not be on its disk, though its next detach works', () => {
    const change = {leftClean: {clean: false, reason: 'not synced'}}
    expect(afterFailure('detach', new VolumeWriteError('not synced'), 1)).toEqual({change, again: true})
  })
})
