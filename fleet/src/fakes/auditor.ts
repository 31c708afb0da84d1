import type {FleetEvent} from '../event.ts'

type OfType<T extends FleetEvent['type']> = Extract<FleetEvent, {type: T}>

/** Reads nothing but the events, in their order, and says which promise was broken. Made for one run. */
export class Auditor {
  readonly broken: string[] = []
  readonly #epochs = new Map<string, number>()
  readonly #holders = new Map<string, string>()
  readonly #spoilt = new Set<string>()
  readonly #cleanlyReleased = new Set<string>()
  readonly #closedHosts = new Set<string>()
  readonly #ended = new Set<string>()
  readonly #servedBy = new Map<string, string>()

  read(event: FleetEvent) {
    const check = this.#checks[event.type] as ((event: FleetEvent) => void) | undefined
    check?.(event)
  }

  #claim(holds: boolean, promise: string, event: FleetEvent) {
    if (!holds) this.broken.push(`${promise}: ${JSON.stringify(event)}`)
  }

  readonly #checks: {readonly [T in FleetEvent['type']]?: (event: OfType<T>) => void} = {
    copyGranted: (event) => {
      const {copy, epoch, builder} = event
      this.#claim(epoch > (this.#epochs.get(copy) ?? 0), 'the epoch of a copy only grows', event)
      this.#claim(!this.#holders.has(copy), 'a copy is held by one builder', event)
      this.#claim(!this.#spoilt.has(copy), 'a copy that was not released cleanly is never attached again', event)
      this.#epochs.set(copy, epoch)
      this.#holders.set(copy, builder)
    },
    builderReleased: (event) => {
      const {copy, builder, epoch, clean} = event
      this.#claim(this.#holders.get(copy) === builder, 'a builder is released once, and by its own name', event)
      this.#holders.delete(copy)
      if (clean) this.#cleanlyReleased.add(`${copy} ${epoch}`)
      else this.#spoilt.add(copy)
    },
    copyAbandoned: ({copy}) => this.#spoilt.add(copy),
    copyCondemned: (event) => {
      this.#claim(!this.#holders.has(event.copy), 'no copy is deleted under a builder', event)
      this.#spoilt.add(event.copy)
    },
    copyFreed: (event) => this.#claim(!this.#spoilt.has(event.copy), 'an abandoned copy is never free again', event),
    generationSealed: (event) => {
      const isClean = this.#cleanlyReleased.has(`${event.copy} ${event.epoch}`)
      this.#claim(isClean, 'only what was released cleanly is sealed', event)
    },
    leasePlaced: (event) => {
      const {host, builder, lease} = event
      this.#claim(!this.#closedHosts.has(host), 'a cordoned or draining host gets no new build', event)
      this.#claim(!this.#servedBy.has(builder), 'a builder serves one lease', event)
      this.#claim(!this.#ended.has(lease), 'nothing is placed after its end', event)
      this.#servedBy.set(builder, lease)
    },
    leaseRequeued: ({lease}) => this.#free(lease),
    leaseEnded: (event) => {
      this.#claim(!this.#ended.has(event.lease), 'a lease ends once', event)
      this.#ended.add(event.lease)
      this.#free(event.lease)
    },
    buildEnded: (event) => {
      this.#claim(!this.#ended.has(event.build), 'a build ends in one final state', event)
      this.#ended.add(event.build)
    },
    hostScheduling: ({host, schedulable}) => {
      if (schedulable) this.#closedHosts.delete(host)
      else this.#closedHosts.add(host)
    },
  }

  #free(lease: string) {
    for (const [builder, served] of this.#servedBy) if (served === lease) this.#servedBy.delete(builder)
  }
}
