import type {Log} from '@hearth/proto/clock'
import type {BuilderNetwork} from '../host/network.ts'

/** Networks made ahead, so that a builder's start doesn't wait for one. */
export type NetworkPool = {
  /** One of its own for a builder; made now if none is ready. */
  take(signal: AbortSignal): Promise<BuilderNetwork>
  /** Resolves when `count` are ready. */
  prepare(count: number, signal: AbortSignal): Promise<void>
}

/** `create` makes one network. After each `take` the pool fills itself up again to what was last asked for. */
export const createNetworkPool = (create: (signal: AbortSignal) => Promise<BuilderNetwork>, log: Log): NetworkPool => {
  const ready: BuilderNetwork[] = []
  let wanted = 0
  let filling = Promise.resolve()
  const fill = async (signal: AbortSignal): Promise<void> => {
    while (ready.length < wanted) ready.push(await create(signal))
  }
  const prepare = async (count: number, signal: AbortSignal): Promise<void> => {
    wanted = count
    const next = filling.then(async () => await fill(signal))
    filling = next.catch(() => undefined) // the one who asked gets it
    await next
  }
  return {
    prepare,
    take: async (signal) => {
      const network = ready.shift() ?? (await create(signal))
      if (wanted > 0)
        prepare(wanted, new AbortController().signal).catch((err: unknown) =>
          log.warn({err}, 'no network could be prepared'),
        )
      return network
    },
  }
}
