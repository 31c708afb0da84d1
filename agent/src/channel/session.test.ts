import type {Hello} from '@hearth/proto/agent-message'
import {expect, test} from 'vitest'
import {silentLog} from '../../../test/support/silent-log.ts'
import {Channel} from './session.ts'
import type {Wire} from './wire.ts'

test('a connection that opens while the agent is told to end is closed again, and the channel ends', async () => {
  const {promise: closed, resolve} = Promise.withResolvers<string>()
  const wire: Wire = {send: () => undefined, onText: () => undefined, closed, close: resolve}
  const stop = new AbortController()
  const channel = new Channel({
    dial: async () => {
      stop.abort()
      return wire
    },
    clock: {now: () => 0, monotonic: () => 0, sleep: async () => undefined},
    random: {number: () => 0, uuid: () => '', name: () => ''},
    log: silentLog,
    hello: async () => ({}) as Hello,
    onDesired: () => undefined,
    onConnected: () => undefined,
    onRefused: () => undefined,
  })
  await channel.run(stop.signal)
  expect(await closed).toBe('the agent ends')
})
