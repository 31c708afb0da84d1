import type {Build, CreateBuild} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {FleetUnreachableError, RefusedError} from '../failures.ts'
import {fakeBuild} from './fake-build.ts'
import {type FakeFleetHttp, fakeFleetHttp} from './fake-fleet-http.ts'
import {Follower, followBuild, isFinal} from './follower.ts'

const request: CreateBuild = {key: 'key-of-build', project: 'web', architectures: ['amd64'], publicKey: ''}
const done = fakeBuild({state: 'succeeded'})
const signal = new AbortController().signal

/** Pauses take no time, and are counted. */
const pace = (giveUpAfterMs = 60_000) => {
  const pauses: number[] = []
  return {giveUpAfterMs, pauses, sleep: async (ms: number) => void pauses.push(ms)}
}
const collect = async (builds: AsyncIterable<Build>): Promise<readonly string[]> => {
  const states: string[] = []
  for await (const {state} of builds) states.push(state)
  return states
}

describe('followBuild', () => {
  it('asks once, and yields until the build is final', async () => {
    const fleet = fakeFleetHttp((_, self) => {
      self.change(fakeBuild())
      queueMicrotask(() => self.change(done))
    })
    expect(await collect(followBuild(fleet, request, pace(), signal))).toEqual(['queued', 'succeeded'])
    expect(fleet.asked).toEqual([{method: 'POST', path: '/v1/builds', body: request}])
  })

  it('repeats a request that broke before an answer: the key makes it the same build', async () => {
    let attempt = 0
    const fleet = fakeFleetHttp((_, self) => {
      attempt += 1
      if (attempt === 1) throw new FleetUnreachableError('reset', {refused: false})
      self.change(done)
    })
    expect(await collect(followBuild(fleet, request, pace(), signal))).toEqual(['succeeded'])
    expect(fleet.asked.map(({path}) => path)).toEqual(['/v1/builds', '/v1/builds'])
  })

  it('watches a build on after its stream broke', async () => {
    const fleet: FakeFleetHttp = fakeFleetHttp(({path}, self) => {
      self.change(path.endsWith('/watch') ? done : fakeBuild())
      if (!path.endsWith('/watch')) queueMicrotask(() => self.breakStreams())
    })
    expect((await collect(followBuild(fleet, request, pace(), signal))).at(-1)).toBe('succeeded')
    expect(fleet.asked.at(-1)).toMatchObject({method: 'GET', path: '/v1/builds/b-7f3/watch'})
  })

  it('does not wait for a fleet that is not there', async () => {
    const fleet = fakeFleetHttp()
    fleet.goAway(true)
    const rhythm = pace()
    await expect(collect(followBuild(fleet, request, rhythm, signal))).rejects.toThrow(FleetUnreachableError)
    expect(rhythm.pauses).toEqual([])
  })

  it('waits ever longer for one that was there, and gives up', async () => {
    const fleet = fakeFleetHttp((_, self) => {
      self.change(fakeBuild())
      queueMicrotask(() => self.goAway(true))
    })
    const rhythm = pace(5000)
    await expect(collect(followBuild(fleet, request, rhythm, signal))).rejects.toThrow(FleetUnreachableError)
    expect(rhythm.pauses).toEqual([100, 200, 400, 800, 1600, 2000])
  })

  it('passes a refusal on', async () => {
    const fleet = fakeFleetHttp(() => {
      throw new RefusedError(404, 'no-such-project', 'there is no project web')
    })
    await expect(collect(followBuild(fleet, request, pace(), signal))).rejects.toThrow('there is no project web')
  })
})

describe('Follower', () => {
  it('resolves with the first state that passes, also one that is there already', async () => {
    const fleet = fakeFleetHttp()
    const seen: string[] = []
    const follower = new Follower(followBuild(fleet, request, pace(), signal), ({state}) => void seen.push(state))
    const final = follower.until(isFinal, signal)
    fleet.change(fakeBuild({state: 'running'}))
    expect((await follower.until(() => true, signal)).state).toBe('running')
    fleet.change(done)
    expect(await final).toEqual(done)
    expect(await follower.until(isFinal, signal)).toEqual(done)
    expect(seen).toEqual(['running', 'succeeded'])
  })

  it('rejects with what ended the source, and with the reason of the signal', async () => {
    const fleet = fakeFleetHttp()
    const stop = new AbortController()
    const follower = new Follower(followBuild(fleet, request, pace(0), signal), () => undefined)
    const waiting = follower.until(isFinal, stop.signal)
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    const other = follower.until(isFinal, signal)
    fleet.goAway(true)
    await expect(other).rejects.toThrow(FleetUnreachableError)
    await expect(follower.until(isFinal, signal)).rejects.toThrow(FleetUnreachableError)
  })
})
