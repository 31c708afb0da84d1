import {randomBytes, randomUUID} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Clock, Random} from './clock.ts'

/** This machine's time. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    // Timers of more than 2^31-1 ms fire at once: https://nodejs.org/api/timers.html#settimeoutcallback-delay-args
    await sleep(Math.min(ms, 2_147_483_647), undefined, {signal}).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error
    })
  },
}

const letters = 'abcdefghijklmnopqrstuvwxyz234567'

/** This machine's chance, from the kernel's generator. */
export const realRandom: Random = {
  number: () => randomBytes(4).readUInt32BE() / 2 ** 32,
  uuid: () => randomUUID(),
  name: (length) => [...randomBytes(length)].map((byte) => letters[byte % letters.length]).join(''),
}
