import type {DesiredBuilder} from '@hearth/proto/desired'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {leftClean, parseExit} from './exit.ts'

describe('parseExit', () => {
  it('reads the last words of enter.sh', () => {
    const words = '{"mounted":true,"lockGone":true,"synced":true,"unmounted":false,"said":"buildkitd ended with 1"}\n'
    const said = {lockGone: true, synced: true, unmounted: false, said: 'buildkitd ended with 1'}
    expect(parseExit(words)).toEqual({...said, refused: false, status: null})
    expect(parseExit(words.replace('{', '{"refused":true,"status":1,'))).toEqual({...said, refused: true, status: 1})
  })

  it.each(['', '{"lockGone":true,"syn', 'null', '[]', '7', '{"lockGone":true,"synced":true}', '{"lockGone":"true"}'])(
    'takes nothing else for a proof: %s',
    (text) => {
      expect(parseExit(text)).toBeNull()
    },
  )

  it('never throws, and calls nothing proven that was not said', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const exit = parseExit(text)
        if (exit?.lockGone) expect(text).toContain('lockGone')
      }),
    )
  })
})

describe('leftClean', () => {
  const exit = {lockGone: true, synced: true, unmounted: true, said: ''}
  const row = {
    startIntended: true,
    startDone: true,
    fault: null,
    desired: {reason: 'idle for 10 min'} as DesiredBuilder,
  }
  const fault = {code: 'c', message: 'why'}

  it.each([
    ['ended in order', row, {exit}, true, 'idle for 10 min'],
    ['ended in order after a fault', {...row, fault}, {exit}, true, 'idle for 10 min'],
    ['was never started', {...row, startIntended: false, startDone: false}, undefined, true, 'it was never started'],
    ['could not be attached', {...row, startIntended: false, startDone: false, fault}, undefined, false, 'why'],
    ['did not start', {...row, startDone: false, fault}, {exit}, false, 'why'],
    [
      'ended in order after its volume had failed',
      {...row, fault: {code: 'volume-failed', message: 'gone'}},
      {exit},
      false,
      'gone',
    ],
    ['left no word', row, {exit: null}, false, 'its builder ended without a last word'],
    ['left no trace', row, undefined, false, 'its builder ended without a last word'],
    ['left no word after a fault', {...row, fault}, undefined, false, 'why'],
    ['kept its lock', row, {exit: {...exit, lockGone: false}}, false, 'buildkitd did not end in order'],
    ['was not synced', row, {exit: {...exit, synced: false}}, false, 'its volume was not synced'],
    [
      'was left with nothing in order',
      row,
      {exit: {...exit, lockGone: false, synced: false, unmounted: false}},
      false,
      'buildkitd did not end in order, its volume was not synced, its volume was not unmounted',
    ],
  ])('of one that %s', (_, of, seen, clean, reason) => {
    expect(leftClean(of, seen)).toEqual({clean, reason})
  })

  it('is clean only by proof', () => {
    const words = fc.record({lockGone: fc.boolean(), synced: fc.boolean(), unmounted: fc.boolean(), said: fc.string()})
    const rows = fc.record({startIntended: fc.boolean(), startDone: fc.boolean(), fault: fc.option(fc.constant(fault))})
    fc.assert(
      fc.property(rows, fc.option(words), (some, last) => {
        const {clean} = leftClean({...row, ...some}, {exit: last})
        const proven = last?.lockGone && last.synced && last.unmounted
        const untouched = !some.startIntended && some.fault === null
        if (clean) expect(proven || untouched).toBe(true)
      }),
    )
  })
})
