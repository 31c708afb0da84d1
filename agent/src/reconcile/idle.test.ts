import type {BuilderId, LeaseId} from '@hearth/proto/ids'
import {describe, expect, it} from 'vitest'
import type {SeenBuilder} from '../builder/runtime.ts'
import type {JournalBuilder} from '../store/journal.ts'
import {IdleTimes} from './idle.ts'

const builder = 'b-1' as BuilderId
const row = (lease: string | null) =>
  ({builder, lease: lease && {lease: lease as LeaseId}}) as unknown as JournalBuilder
const seen = (connections: number, running = true) =>
  new Map([[builder, {builder, running, connections} as SeenBuilder]])

describe('IdleTimes', () => {
  it('counts from the first look that saw no connection', () => {
    const idle = new IdleTimes(5000)
    idle.update([row('l-1')], seen(0), 1000)
    expect(idle.at(4000).get(builder)).toEqual({forMs: 3000, everConnected: false})
    idle.update([row('l-1')], seen(2), 5000)
    idle.update([row('l-1')], seen(0), 6000)
    expect(idle.at(9000).get(builder)).toEqual({forMs: 3000, everConnected: true})
  })

  it('knows nothing of a time without looks, so that little of it counts', () => {
    const idle = new IdleTimes(5000)
    idle.update([row('l-1')], seen(1), 1000)
    idle.update([row('l-1')], seen(0), 61_000) // a frozen agent: the client may have left just now
    expect(idle.at(61_000).get(builder)?.forMs).toBe(0)
    idle.update([row('l-1')], seen(0), 62_000)
    idle.update([row('l-1')], seen(0), 122_000)
    expect(idle.at(122_000).get(builder)).toEqual({forMs: 6000, everConnected: true})
    expect(idle.at(200_000).get(builder)?.forMs).toBe(11_000)
  })

  it('begins anew with each lease, and with its end', () => {
    const idle = new IdleTimes(5000)
    idle.update([row('l-1')], seen(1), 1000)
    idle.update([row('l-2')], seen(0), 5000)
    expect(idle.at(5000).get(builder)).toEqual({forMs: 0, everConnected: false})
    idle.update([row(null)], seen(0), 7000)
    expect(idle.at(8000).get(builder)).toEqual({forMs: 1000, everConnected: false})
  })

  it('forgets a builder that does not run, and begins anew when it does', () => {
    const idle = new IdleTimes(5000)
    idle.update([row(null)], seen(0), 1000)
    idle.update([row(null)], seen(0, false), 2000)
    expect(idle.at(3000)).toEqual(new Map())
    idle.update([row(null)], seen(0), 4000)
    expect(idle.at(4500).get(builder)?.forMs).toBe(500)
    idle.update([], seen(0), 5000)
    expect(idle.at(5000)).toEqual(new Map())
  })
})
